"""Internal mode: the tools run on the gateway's machine, in one folder, and the client sees what comes of it.

Pure: `agents`, `names`, `tools`, `rpc`, `paths`, `asking`, `merging`. Files and processes: `folder`, `files`, `searching`,
`commands`, `toolbox`, `desk`, `session`.
"""
