"""Named quirks of back ends as data: what a model's server takes, needs or refuses beside its protocol's letter.

A dialect is given to a codec beside the request. Each field has one place that honours it. Providers and models name a dialect's
fields in their data; the defaults are the protocol's own reference server.
"""

import msgspec


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one back end is like. Fields of protocols that a back end does not speak are not looked at."""

    # --- any protocol ---
    tool_name_limit: int = 64
    """Longest tool name; longer ones are shortened reversibly. Anthropic takes 128, OpenAI 64."""
    tool_names_begin_with_letter: bool = False
    """Whether a tool's name has to begin with a letter or `_` (Google); others are renamed reversibly."""
    parallel_tool_calls: bool = True
    """Whether the switch that forbids parallel calls exists."""
    structured_output: bool = True
    """Whether a JSON Schema for the answer can be given."""
    sampling: bool = True
    """Whether temperature, top_p and top_k are accepted at all (reasoning models refuse them)."""
    web_search: bool = False
    """Whether the vendor searches the web itself when asked to. OpenAI's Chat takes `web_search_options` for some models only."""
    efforts: tuple[str, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    """The words for effort that are accepted; others become the nearest. Empty: none is sent."""
    tool_call_id_length: int | None = None
    """The exact length of a tool call's id, letters and digits alone (Mistral: 9); others get a short form. None: any id."""

    # --- openai-chat ---
    max_tokens_field: str = "max_tokens"
    """`max_completion_tokens` on OpenAI's reasoning models, which refuse `max_tokens`."""
    developer_role: bool = False
    """Whether the role `developer` exists; else such messages are sent as `system`."""
    system_only_first: bool = False
    """Whether system messages may stand only at the beginning; later ones become user text with a marker."""
    reasoning_field: str | None = "reasoning_content"
    """The field of an assistant message that takes its reasoning back. None: reasoning is not sent back."""
    reasoning_required_with_tools: bool = False
    """Whether an assistant message with tool calls must have that field, even empty (DeepSeek, Kimi)."""
    reasoning_details: bool = False
    """Whether `reasoning_details` (OpenRouter) are taken back."""
    thinking_switch: str | None = None
    """How to turn thinking off or on: `thinking` ({type: enabled|disabled}: DeepSeek, GLM, Kimi) or `enable_thinking` (Qwen)."""
    images_in_tool_messages: bool = False
    """Whether a `tool` message may hold image parts; else they follow in a user message."""
    cache_control: bool = False
    """Whether content parts take Anthropic's `cache_control` (OpenRouter, Qwen)."""
    prompt_cache_key: bool = True
    """Whether `prompt_cache_key` is accepted, and with it `prompt_cache_options` and `prompt_cache_retention`."""
    stream_options: bool = True
    """Whether `stream_options.include_usage` is accepted."""
    top_k: bool = False
    """Whether `top_k` is accepted."""
    stop: bool = True
    """Whether stop sequences are accepted (reasoning models of OpenAI and xAI refuse them)."""
    penalties: bool = True
    """Whether `frequency_penalty` and `presence_penalty` are accepted."""
    seed_field: str | None = "seed"
    """Where a seed goes (Mistral: `random_seed`); None: it is not sent."""
    service_tiers: tuple[str, ...] = ("auto", "default", "flex", "priority", "fast", "scale")
    """The values of `service_tier` that are accepted. Empty: the field is not sent."""
    json_object: bool = True
    """Whether `response_format: json_object` exists."""
    files: bool = True
    """Whether file parts (PDF) are accepted."""
    tool_choice_required: bool = True
    """Whether a tool can be demanded: `required`, one by name, some of them. Else `auto` is sent, and only the allowed ones."""
    user_field: str | None = "user"
    """Where the end user's id goes; None: it is not sent."""
    custom_tools: bool = False
    """Whether tools of the type `custom` exist, whose input is free text; else they become functions with one string."""

    # --- openai-responses ---
    stores_replies: bool = True
    """Whether the server keeps replies (`store`), so that `previous_response_id` and `item_reference` are its own business."""
    encrypted_reasoning: bool = True
    """Whether `include: ["reasoning.encrypted_content"]` may be asked for (models that do not reason refuse it)."""
    reasoning_summaries: bool = True
    """Whether `reasoning.summary` may be asked for."""
    plain_reasoning: bool = False
    """Whether reasoning goes back by its words alone, without anything encrypted (open models: vLLM, LM Studio)."""

    # --- anthropic-messages ---
    mid_system: bool = True
    """Whether role `system` may stand among the messages; else such text goes into a user turn with a marker."""
    adaptive_thinking: bool = True
    """Whether `thinking: adaptive` and `output_config.effort` exist; else effort becomes a budget."""
    signed_thinking: bool = True
    """Whether thinking has to be signed, and to lead the last turn with tool calls, or else be off (Anthropic's own rule)."""
    default_max_tokens: int = 32_000
    """`max_tokens` when the client set none (the field is required) and the model's limit is not known."""
    long_context_beta: str | None = None
    """The `anthropic-beta` that a long context has to be asked for with, by `[1m]` behind the model's name (Sonnet 4 and 4.5)."""
    anthropic_version: str = "2023-06-01"
    """The `anthropic-version` header."""

    # --- gemini-generate ---
    json_schema: bool = True
    """Whether tools and answers take JSON Schema as it is; else schemas are compiled to Google's subset of it."""
    thinking_levels: tuple[str, ...] = ()
    """The values of `thinkingLevel`, in lower case (Gemini 3); others become the nearest. Empty: budgets are sent (2.5)."""
    thinking_budgets: tuple[int, int] = (0, 24_576)
    """The least and the most that `thinkingBudget` takes. Pro models cannot stop thinking: theirs begins above 0."""
    placeholder_signatures: bool = True
    """Whether calls that bear no signature of the model's get the documented placeholder, which Gemini 3 asks for."""
    call_ids: bool = True
    """Whether calls and their results may have ids; else they are told apart by name and order."""
    media_in_tool_results: bool = False
    """Whether a result may hold pictures and files (Gemini 3); else they stand behind it in the same content."""
    fetches_urls: bool = False
    """Whether the model's server fetches files from the web."""
    validated_calls: bool = True
    """Whether the mode VALIDATED exists, in which calls are held to their schemas."""
