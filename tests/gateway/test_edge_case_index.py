"""Which test stands for which known trap of translating between Anthropic Messages (A) and OpenAI Chat (C).

The numbers are those of the project's list of edge cases; a starred row is one of those that matter most to coding agents.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent

FILES = {
    "a": "gateway/sdk/test_anthropic_sdk.py",
    "c": "gateway/sdk/test_openai_sdk.py",
    "edge": "gateway/sdk/test_edge_cases.py",
    "errors": "gateway/sdk/test_errors.py",
    "seals": "gateway/sdk/test_seals.py",
    "left": "gateway/sdk/test_left_out.py",
    "pairs": "conformance/test_tool_results.py",
    "raw": "gateway/sdk/test_raw_pairs.py",
    "cancel": "gateway/sdk/test_cancel.py",
    "heartbeat": "gateway/sdk/test_heartbeat.py",
    "endpoints": "gateway/test_endpoints.py",
    "security": "gateway/test_security.py",
    "vision": "gateway/test_vision.py",
    "a.asked": "protocols/anthropic_messages/test_request_encoding.py",
    "a.read": "protocols/anthropic_messages/test_request_decoding.py",
    "a.stream": "protocols/anthropic_messages/test_stream_decoding.py",
    "a.written": "protocols/anthropic_messages/test_reply_encoding.py",
    "a.raw": "protocols/anthropic_messages/test_raw_lane.py",
    "a.failures": "protocols/anthropic_messages/test_failures.py",
    "c.asked": "protocols/openai_chat/test_request_encoding.py",
    "c.read": "protocols/openai_chat/test_request_decoding.py",
    "c.stream": "protocols/openai_chat/test_stream_decoding.py",
    "c.written": "protocols/openai_chat/test_stream_encoding.py",
    "c.reply": "protocols/openai_chat/test_replies.py",
    "c.errors": "protocols/openai_chat/test_errors.py",
    "history": "transforms/test_history.py",
    "tools": "transforms/test_tools.py",
    "caching": "transforms/test_caching.py",
    "counting": "transforms/test_counting.py",
    "identity": "routing/test_identity.py",
    "laws": "conformance/test_stream_laws.py",
}

STARRED = {
    2: ["edge test_the_attribution_block_stays_behind_at_other_vendors_and_first_at_its_own"],
    3: ["edge test_a_system_message_in_mid_talk_keeps_its_place"],
    10: ["a test_text_goes_up_and_comes_back_exactly", "c test_text_goes_up_and_comes_back_exactly"],
    14: ["edge test_an_empty_text_never_reaches_anthropic"],
    23: ["c.read test_a_body_of_responses_is_told_where_to_go"],
    27: [
        "edge test_an_image_in_a_tool_result_follows_the_tool_messages",
        "pairs test_pictures_in_results_reach_every_upstream",
    ],
    35: [
        "edge test_an_image_for_a_model_that_cannot_see_is_a_400_that_names_it",
        "vision test_the_route_vision_takes_it",
    ],
    43: ["edge test_results_stand_directly_behind_their_calls", "a test_parallel_tools_hold_through_two_turns"],
    44: ["edge test_results_stand_directly_behind_their_calls"],
    45: ["edge test_tool_messages_are_results_in_one_turn", "c test_parallel_tools_hold_through_two_turns"],
    70: [
        "edge test_a_long_tool_name_is_shortened_and_comes_back",
        "pairs test_long_names_are_short_everywhere_and_come_back",
    ],
    83: ["edge test_a_vendors_own_tool_is_left_out_aloud"],
    97: ["c test_without_a_limit_one_is_filled_in"],
    106: ["c test_what_anthropic_does_not_know_is_not_sent"],
    109: ["edge test_effort_goes_up_under_its_name"],
    126: ["a test_text_goes_up_and_comes_back_exactly", "c.asked test_streams_always_ask_for_the_usage"],
    130: ["seals test_an_anthropic_client_of_a_messages_upstream_gets_and_sends_the_signature_as_it_is"],
    137: [
        "a test_thinking_comes_first_and_goes_back_where_it_came_from",
        "left test_reasoning_that_must_come_back_beside_calls_comes_back",
    ],
    145: ["seals test_thinking_that_the_gateway_made_never_reaches_anthropic"],
    157: ["edge test_calls_win_over_a_normal_end"],
    158: ["a test_cached_tokens_are_counted_once"],
    163: ["a test_thinking_comes_first_and_goes_back_where_it_came_from"],
    190: ["edge test_a_stream_follows_anthropics_grammar"],
    193: ["edge test_arguments_are_put_together_however_they_come"],
    194: ["edge test_calls_that_share_an_index_are_told_apart_by_their_ids"],
    206: ["edge test_usage_behind_the_end_reaches_the_client"],
    215: ["errors test_a_cut_inside_a_tool_call_never_gives_a_call_that_can_be_run"],
    216: ["errors test_an_error_in_mid_stream_keeps_its_words"],
    217: ["cancel test_each_token_is_forwarded_before_the_next_one_comes"],
    220: ["c test_calls_are_numbered_from_zero_whatever_stands_before_them"],
    221: ["c test_a_call_without_input_has_an_empty_object"],
    245: ["errors test_retry_after_reaches_the_client"],
    246: ["errors test_an_error_before_the_first_content_of_a_stream_is_an_http_error"],
    249: ["errors test_a_context_that_is_too_long_is_told_in_the_words_that_clients_compact_on"],
    257: ["a test_tokens_are_counted_without_an_upstream_that_can", "counting test_an_image_costs_its_area_over_750"],
    264: [
        "raw test_a_request_goes_up_byte_for_byte_but_for_the_models_name",
        "raw test_a_reply_comes_back_byte_for_byte_but_for_the_models_name",
    ],
}

OTHERS = {
    1: ["a test_text_goes_up_and_comes_back_exactly"],
    4: ["c test_text_goes_up_and_comes_back_exactly"],
    5: ["edge test_a_system_message_in_mid_talk_keeps_its_place"],
    8: ["c.asked test_a_request_without_messages_is_refused"],
    9: ["edge test_an_empty_system_prompt_is_no_message"],
    11: ["c.asked test_consecutive_user_messages_stay_apart"],
    12: ["a.asked test_messages_of_one_role_in_a_row_become_one_turn"],
    15: ["a.asked test_empty_text_is_left_out_and_blank_text_is_reported"],
    16: ["edge test_a_prefill_stays_last"],
    24: ["c.read test_anthropic_shaped_parts_are_accepted_one_by_one"],
    26: ["a.read test_zero_tokens_prewarm_the_cache"],
    31: ["a test_images_are_carried_with_their_own_media_type"],
    33: ["c.read test_a_url_that_is_no_picture_names_its_field"],
    36: ["a test_documents_are_files_or_words"],
    37: ["a test_documents_are_files_or_words"],
    38: ["c test_files_become_documents"],
    40: ["errors test_what_a_target_cannot_do_is_refused_by_name"],
    41: ["errors test_a_body_of_thirty_megabytes_is_carried", "errors test_a_body_beyond_the_limit_is_a_413"],
    42: ["a.asked test_what_anthropic_cannot_read_is_refused_by_its_place"],
    46: ["c test_parallel_tools_hold_through_two_turns"],
    55: ["edge test_ids_that_anthropic_refuses_are_rewritten_in_pairs"],
    57: ["history test_of_several_results_the_last_one_stands_at_the_place_of_the_first"],
    58: ["edge test_interrupted_and_compacted_histories_are_mended"],
    59: ["edge test_interrupted_and_compacted_histories_are_mended"],
    60: ["a test_a_failed_tool_says_so"],
    62: ["c.asked test_results_without_words_and_with_several"],
    63: ["a test_parallel_tools_hold_through_two_turns"],
    64: ["edge test_results_stand_directly_behind_their_calls"],
    65: ["edge test_broken_arguments_in_a_history_are_wrapped"],
    66: ["edge test_broken_arguments_in_a_history_are_wrapped"],
    67: ["edge test_broken_arguments_in_a_history_are_wrapped"],
    68: ["edge test_numbers_and_characters_in_arguments_are_exact"],
    69: ["edge test_numbers_and_characters_in_arguments_are_exact"],
    79: ["edge test_every_schema_has_an_object_at_the_top"],
    80: ["edge test_every_schema_has_an_object_at_the_top"],
    81: ["edge test_every_schema_has_an_object_at_the_top"],
    82: ["edge test_fields_of_tools_that_only_anthropic_knows_stay_behind"],
    91: ["a test_tool_choice_goes_up"],
    92: ["a test_tool_choice_goes_up"],
    93: ["c test_a_forced_call_is_a_tool_choice"],
    94: ["a.asked test_a_choice_among_some_tools_leaves_out_the_others"],
    95: ["a.asked test_manual_thinking_does_not_go_with_a_forced_choice"],
    96: ["c.asked test_without_tools_there_is_no_choice"],
    98: ["c test_text_goes_up_and_comes_back_exactly"],
    99: ["c.asked test_the_limit_of_output_tokens"],
    100: ["c.asked test_the_limit_of_output_tokens"],
    101: ["edge test_temperature_fits_anthropics_range"],
    102: ["a.asked test_sampling_goes_with_the_apis_rules"],
    103: ["edge test_temperature_fits_anthropics_range"],
    104: ["a test_text_goes_up_and_comes_back_exactly"],
    110: ["a.read test_thinking_modes"],
    111: ["c.asked test_thinking_in_the_servers_words"],
    112: ["edge test_a_budget_stays_below_the_limit"],
    116: ["a test_structured_output_is_asked_for_by_schema"],
    119: ["c test_structured_output_is_asked_for_by_schema"],
    120: [
        "edge test_the_cache_key_is_the_same_through_a_conversation",
        "identity test_a_session_is_read_from_the_user_id",
    ],
    121: ["edge test_the_cache_key_is_the_same_through_a_conversation"],
    122: ["edge test_at_most_four_breakpoints_are_set_and_none_beside_a_clients_own"],
    123: ["caching test_a_client_that_sets_its_own_breakpoints_is_left_alone"],
    127: ["c test_usage_that_nobody_asked_for_is_not_sent"],
    128: ["a test_text_goes_up_and_comes_back_exactly"],
    129: ["errors test_what_a_target_cannot_do_is_refused_by_name"],
    131: ["seals test_an_anthropic_client_of_a_messages_upstream_gets_and_sends_the_signature_as_it_is"],
    138: ["c.asked test_a_server_that_wants_the_field_beside_calls_gets_it_empty"],
    139: [
        "seals test_a_signature_comes_back_byte_equal_through_a_chat_client",
        "seals test_a_signature_survives_a_turn_at_an_unrelated_provider",
        "left test_signed_thinking_comes_back_for_a_client_that_keeps_standard_fields_only",
    ],
    148: ["a.read test_thinking_without_a_signature_has_no_seal"],
    159: ["a test_cached_tokens_are_counted_once"],
    160: ["c.reply test_every_vendors_figures"],
    161: ["edge test_usage_is_always_whole_numbers"],
    164: ["a test_thinking_comes_first_and_goes_back_where_it_came_from"],
    166: ["c.reply test_content_in_parts_is_joined"],
    167: ["c.reply test_arguments_are_always_an_object"],
    168: ["a test_a_length_limit_and_a_filter_are_told"],
    169: ["c.reply test_a_refusal_is_words_and_an_end"],
    170: ["errors test_an_error_in_a_reply_of_200_is_an_error"],
    179: ["c test_why_a_reply_ended_is_said_in_the_clients_words"],
    180: ["edge test_what_a_vendor_ran_itself_is_no_call_for_the_client"],
    181: ["edge test_what_a_vendor_ran_itself_is_no_call_for_the_client"],
    182: ["c test_cached_tokens_are_part_of_the_prompt"],
    188: [
        "a test_the_reply_names_the_model_that_was_asked_for_and_the_headers_who_answered",
        "c test_the_reply_names_the_model_that_was_asked_for_and_the_headers_who_answered",
    ],
    189: ["edge test_usage_is_always_whole_numbers"],
    191: ["edge test_a_stream_follows_anthropics_grammar"],
    192: ["c.stream test_the_first_delta_may_have_role_and_text"],
    195: ["edge test_calls_that_share_an_index_are_told_apart_by_their_ids"],
    196: ["a test_interleaved_calls_are_told_apart"],
    197: ["edge test_arguments_are_put_together_however_they_come"],
    198: ["edge test_arguments_are_put_together_however_they_come"],
    199: ["edge test_arguments_are_put_together_however_they_come"],
    200: ["edge test_arguments_are_put_together_however_they_come"],
    201: ["edge test_arguments_are_put_together_however_they_come"],
    203: ["edge test_calls_that_share_an_index_are_told_apart_by_their_ids"],
    204: ["edge test_calls_win_over_a_normal_end", "c.stream test_an_empty_piece_opens_no_block"],
    205: ["c.stream test_a_missing_role_is_no_matter"],
    207: ["edge test_streams_of_every_manner_are_read"],
    208: ["edge test_streams_of_every_manner_are_read"],
    209: ["edge test_streams_of_every_manner_are_read"],
    210: ["edge test_streams_of_every_manner_are_read"],
    211: ["c.stream test_a_large_event_is_read"],
    212: ["edge test_streams_of_every_manner_are_read"],
    213: ["edge test_streams_of_every_manner_are_read"],
    214: ["edge test_usage_behind_the_end_reaches_the_client"],
    218: ["laws test_a_stream_that_is_written_and_read_says_the_same", "edge test_a_stream_follows_anthropics_grammar"],
    219: ["a.stream test_a_repeated_start_of_the_same_message_is_ignored_and_another_one_fails"],
    222: ["c test_pings_and_events_of_tomorrow_are_passed_over"],
    223: ["c.written test_usage_has_a_chunk_of_its_own_where_it_was_asked_for"],
    243: [
        "cancel test_leaving_in_mid_stream_ends_the_upstreams_work_at_once",
        "cancel test_leaving_before_the_reply_begins_ends_the_upstreams_work_at_once",
    ],
    244: ["heartbeat test_silence_is_filled_with_signs_of_life"],
    247: ["errors test_an_error_before_the_reply_keeps_status_and_words_for_an_openai_client"],
    248: ["errors test_an_error_before_the_reply_keeps_status_and_words_for_an_anthropic_client"],
    250: ["errors test_a_web_page_is_a_502_with_an_excerpt"],
    251: ["errors test_a_web_page_is_a_502_with_an_excerpt"],
    252: ["errors test_errors_of_every_shape_are_read"],
    255: ["edge test_bad_input_is_a_400_in_the_clients_dialect"],
    256: ["errors test_an_unknown_model_is_a_404_with_the_nearest_names"],
    259: ["a test_models_are_listed_in_the_clients_dialect", "c test_models_are_listed_in_the_clients_dialect"],
    260: ["raw test_a_request_goes_up_byte_for_byte_but_for_the_models_name"],
    261: ["endpoints test_messages_are_answered_under_each_path"],
    262: ["errors test_the_gateways_own_key_never_leaves_it"],
    263: ["raw test_a_request_goes_up_byte_for_byte_but_for_the_models_name"],
}


@cache
def names_in(file: str) -> frozenset[str]:
    """Return the names of the tests in a file, without importing it."""
    nodes = ast.walk(ast.parse((TESTS / file).read_text()))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


@pytest.mark.parametrize("row", [*STARRED, *OTHERS])
def test_every_row_has_its_test(row: int) -> None:
    for entry in {**STARRED, **OTHERS}[row]:
        key, name = entry.split(" ")
        assert name in names_in(FILES[key]), f"row {row}: there is no `{name}` in tests/{FILES[key]}"


def test_no_row_stands_twice_and_no_file_is_listed_in_vain() -> None:
    assert not set(STARRED) & set(OTHERS)
    keys = {entry.split(" ")[0] for entries in [*STARRED.values(), *OTHERS.values()] for entry in entries}
    assert keys <= set(FILES)
