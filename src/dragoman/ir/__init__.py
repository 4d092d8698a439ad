"""What is said: requests, replies, events, and what may go wrong or missing. Imports nothing of ours."""
