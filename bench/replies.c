// What the scripted upstream says; field order, line ends and blanks are those of the vendors' servers.

#include "replies.h"

#include <stdarg.h>
#include <stdio.h>

enum { INPUT_TOKENS = 12 };

unsigned long long events;

// ---- printing into buffers

static void vappendf(Buffer *b, const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    size_t room = b->capacity - b->length, count = (size_t)vsnprintf(b->at + b->length, room, format, values);
    if (count >= room) {
        reserve(b, count + 1);
        vsnprintf(b->at + b->length, count + 1, format, again);
    }
    va_end(again);
    b->length += count;
}

void appendf(Buffer *b, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vappendf(b, format, values);
    va_end(values);
}

// One event of a stream, as one chunk.
__attribute__((format(printf, 2, 3))) static void event(Buffer *out, const char *format, ...)
{
    static Buffer text;
    va_list values;
    text.length = 0;
    va_start(values, format);
    vappendf(&text, format, values);
    va_end(values);
    appendf(out, "%zx\r\n", text.length);
    append(out, text.at, text.length);
    append(out, "\r\n", 2);
    events++;
}

// The text of a piece, with the time at which it was made.
static const char *words(int piece)
{
    static char text[64];
    snprintf(text, sizeof text, "@%015llu@ tok%d ", (unsigned long long)now_us(), piece);
    return text;
}

// ---- OpenAI Chat

static void chat_chunk(Buffer *out, const char *delta, const char *finish)
{
    event(out,
          "data: {\"id\":\"chatcmpl-fake\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"fake\","
          "\"choices\":[{\"index\":0,\"delta\":%s,\"logprobs\":null,\"finish_reason\":%s}]}\n\n", delta, finish);
}

static void chat_piece(Reply *reply, int piece, Buffer *out)
{
    char delta[128];
    if (piece == 0) {
        chat_chunk(out, "{\"role\":\"assistant\",\"content\":\"\"}", "null");
    } else if (piece <= reply->pieces) {
        snprintf(delta, sizeof delta, "{\"content\":\"%s\"}", words(piece));
        chat_chunk(out, delta, "null");
    } else {
        chat_chunk(out, "{}", "\"stop\"");
        if (reply->wants_usage)
            event(out,
                  "data: {\"id\":\"chatcmpl-fake\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                  "\"model\":\"fake\",\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,"
                  "\"total_tokens\":%d}}\n\n", INPUT_TOKENS, reply->pieces, INPUT_TOKENS + reply->pieces);
        event(out, "data: [DONE]\n\n");
    }
}

static void chat_whole(Buffer *out, const char *text, int tokens)
{
    appendf(out,
            "{\"id\":\"chatcmpl-fake\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"fake\","
            "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"logprobs\":null,"
            "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,"
            "\"total_tokens\":%d}}", text, INPUT_TOKENS, tokens, INPUT_TOKENS + tokens);
}

// ---- Anthropic Messages

static void messages_piece(Reply *reply, int piece, Buffer *out)
{
    if (piece == 0) {
        event(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_fake\","
                   "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"fake\",\"content\":[],\"stop_reason\":null,"
                   "\"stop_sequence\":null,\"usage\":{\"input_tokens\":%d,\"output_tokens\":1}}}\n\n", INPUT_TOKENS);
        event(out, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
                   "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    } else if (piece <= reply->pieces) {
        event(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                   "\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}}\n\n", words(piece));
    } else {
        event(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
        event(out, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
                   "\"stop_sequence\":null},\"usage\":{\"output_tokens\":%d}}\n\n", reply->pieces);
        event(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }
}

static void messages_whole(Buffer *out, const char *text, int tokens)
{
    appendf(out,
            "{\"id\":\"msg_fake\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"fake\","
            "\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,"
            "\"usage\":{\"input_tokens\":%d,\"output_tokens\":%d}}", text, INPUT_TOKENS, tokens);
}

// ---- OpenAI Responses: events are numbered, and the whole text is in each of the four that end it

#define PART "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"%s\"}"
#define ITEM "{\"id\":\"msg_fake\",\"type\":\"message\",\"status\":\"%s\",\"content\":[%s],\"role\":\"assistant\"}"
#define AT_PART "\"item_id\":\"msg_fake\",\"output_index\":0,\"content_index\":0"

static void responses_event(Buffer *out, const char *type, int number, const char *rest)
{
    event(out, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%d,%s}\n\n", type, type, number, rest);
}

// What a server repeats of the request (instructions, tools) is left out; `usage` is "null" or an object.
static void response_object(Buffer *out, const char *status, const char *output, const char *usage)
{
    appendf(out,
            "{\"id\":\"resp_fake\",\"object\":\"response\",\"created_at\":1700000000,\"status\":\"%s\","
            "\"background\":false,\"error\":null,\"incomplete_details\":null,\"instructions\":null,"
            "\"max_output_tokens\":null,\"model\":\"fake\",\"output\":[%s],\"parallel_tool_calls\":true,"
            "\"previous_response_id\":null,\"reasoning\":{\"effort\":null,\"summary\":null},\"store\":false,"
            "\"temperature\":1.0,\"text\":{\"format\":{\"type\":\"text\"}},\"tool_choice\":\"auto\",\"tools\":[],"
            "\"top_p\":1.0,\"truncation\":\"disabled\",\"usage\":%s,\"user\":null,\"metadata\":{}}",
            status, output, usage);
}

static void completed_object(Buffer *out, const char *item, int tokens)
{
    char usage[256];
    snprintf(usage, sizeof usage,
             "{\"input_tokens\":%d,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":%d,"
             "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":%d}",
             INPUT_TOKENS, tokens, INPUT_TOKENS + tokens);
    response_object(out, "completed", item, usage);
}

// Empties a buffer and prints into it; what comes back is good until the next time.
__attribute__((format(printf, 2, 3))) static const char *print(Buffer *b, const char *format, ...)
{
    va_list values;
    b->length = 0;
    va_start(values, format);
    vappendf(b, format, values);
    va_end(values);
    return b->at;
}

static void responses_opening(Buffer *out)
{
    static Buffer rest;
    const char *STATES[] = {"response.created", "response.in_progress"};
    for (int number = 0; number < 2; number++) {
        print(&rest, "\"response\":");
        response_object(&rest, "in_progress", "", "null");
        responses_event(out, STATES[number], number, rest.at);
    }
    responses_event(out, "response.output_item.added", 2, print(&rest, "\"output_index\":0,\"item\":" ITEM, "in_progress", ""));
    responses_event(out, "response.content_part.added", 3, print(&rest, AT_PART ",\"part\":" PART, ""));
}

static void responses_ending(Buffer *out, const char *text, int pieces)
{
    static Buffer part, item, rest;
    int number = pieces + 4;
    print(&part, PART, text);
    print(&item, ITEM, "completed", part.at);
    responses_event(out, "response.output_text.done", number,
                    print(&rest, AT_PART ",\"text\":\"%s\",\"logprobs\":[]", text));
    responses_event(out, "response.content_part.done", number + 1, print(&rest, AT_PART ",\"part\":%s", part.at));
    responses_event(out, "response.output_item.done", number + 2, print(&rest, "\"output_index\":0,\"item\":%s", item.at));
    print(&rest, "\"response\":");
    completed_object(&rest, item.at, pieces);
    responses_event(out, "response.completed", number + 3, rest.at);
}

static void responses_piece(Reply *reply, int piece, Buffer *out)
{
    if (piece == 0) {
        reply->said.length = 0;
        responses_opening(out);
    } else if (piece <= reply->pieces) {
        const char *text = words(piece);
        append(&reply->said, text, strlen(text));
        event(out, "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
                   "\"sequence_number\":%d," AT_PART ",\"delta\":\"%s\",\"logprobs\":[],"
                   "\"obfuscation\":\"dRGmMhQ2\"}\n\n", piece + 3, text);
    } else {
        append(&reply->said, "", 1);
        responses_ending(out, reply->said.at, reply->pieces);
    }
}

static void responses_whole(Buffer *out, const char *text, int tokens)
{
    static Buffer part, item;
    print(&part, PART, text);
    completed_object(out, print(&item, ITEM, "completed", part.at), tokens);
}

// ---- Gemini: no names, no end mark, lines end with CRLF; every chunk is a whole object that counts the tokens until now

static void gemini_object(Buffer *out, const char *text, const char *finish, int tokens)
{
    appendf(out,
            "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"%s\"}],\"role\": \"model\"},%s\"index\": 0}],"
            "\"usageMetadata\": {\"promptTokenCount\": %d,\"candidatesTokenCount\": %d,\"totalTokenCount\": %d,"
            "\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": %d}]},"
            "\"modelVersion\": \"fake\",\"responseId\": \"fake\"}",
            text, finish, INPUT_TOKENS, tokens, INPUT_TOKENS + tokens, INPUT_TOKENS);
}

#define STOP "\"finishReason\": \"STOP\","

// A stream begins with its first piece of text.
static void gemini_piece(Reply *reply, int piece, Buffer *out)
{
    static Buffer chunk;
    chunk.length = 0;
    if (piece == 0)
        return;
    if (piece <= reply->pieces)
        gemini_object(&chunk, words(piece), "", piece);
    else
        gemini_object(&chunk, "", STOP, reply->pieces);
    event(out, "data: %s\r\n\r\n", chunk.at);
}

static void gemini_whole(Buffer *out, const char *text, int tokens)
{
    gemini_object(out, text, STOP, tokens);
}

// ---- all four

void say_piece(Reply *reply, int piece, Buffer *out)
{
    static void (*const say[])(Reply *, int, Buffer *) = {
        [CHAT] = chat_piece, [MESSAGES] = messages_piece, [RESPONSES] = responses_piece, [GEMINI] = gemini_piece};
    say[reply->protocol](reply, piece, out);
}

void say_whole(const Reply *reply, Buffer *out)
{
    static void (*const say[])(Buffer *, const char *, int) = {
        [CHAT] = chat_whole, [MESSAGES] = messages_whole, [RESPONSES] = responses_whole, [GEMINI] = gemini_whole};
    static const char LOREM[] = "lorem ipsum dolor sit amet consectetur ";
    static Buffer text;
    text.length = 0;
    for (int i = 0; i < reply->bytes; i++)
        append(&text, LOREM + (size_t)i % (sizeof LOREM - 1), 1);
    append(&text, "", 1);
    say[reply->protocol](out, text.at, reply->bytes / 4);
}
