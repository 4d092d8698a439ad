// A scripted upstream: one epoll loop that answers Chat and Messages requests so fast that the gateway is what is measured.
//
//     upstream PORT
//
// The model's name says how to answer, because every gateway passes it on: `fake-n40-d20` streams 40 pieces of text, one
// every 20 ms (d0: all at once); `fake-s400` answers with 400 bytes of text. Each streamed piece carries the time at which
// it was made, `@<15 digits: CLOCK_MONOTONIC in microseconds>@`, from which load.c sees how long it was under way.
//
// It never sleeps unless PEERS_SLEEP is set: see load.c.
//
// POST .../chat/completions and .../messages; GET /stats, GET /last (the last POST's body); other GETs answer 200.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    char *at;
    size_t length, capacity;
} Buffer;

typedef struct Connection {
    int fd;
    Buffer in, out;
    size_t sent;        // how much of `out` has left
    bool waits_to_send; // the socket's buffer is full
    bool speaks_chat;   // else Messages
    bool wants_usage;   // Chat only tells it when asked
    int pieces, pause_ms, bytes;
    int piece;          // of the stream: the next one to make
    uint64_t due;       // when to make it
    struct Connection *earlier, *later; // in the list of those that are due
} Connection;

static int epoll;
static unsigned long long requests, events; // for /stats
static Buffer last_body;                    // for /last
static Connection dues = {.earlier = &dues, .later = &dues};

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

// ---- buffers

static void reserve(Buffer *b, size_t more)
{
    if (b->length + more <= b->capacity)
        return;
    b->capacity = 2 * (b->length + more);
    b->at = realloc(b->at, b->capacity);
}

static void append(Buffer *b, const char *bytes, size_t count)
{
    reserve(b, count);
    memcpy(b->at + b->length, bytes, count);
    b->length += count;
}

__attribute__((format(printf, 2, 3))) static void appendf(Buffer *b, const char *format, ...)
{
    va_list values;
    reserve(b, 1024); // more than any of the templates below
    va_start(values, format);
    b->length += (size_t)vsnprintf(b->at + b->length, 1024, format, values);
    va_end(values);
}

// One event of a stream, as one chunk of HTTP's chunked coding.
__attribute__((format(printf, 2, 3))) static void event(Buffer *b, const char *format, ...)
{
    char text[1024];
    va_list values;
    va_start(values, format);
    int count = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    appendf(b, "%x\r\n%s\r\n", (unsigned)count, text);
    events++;
}

// ---- who is due when: a list sorted by time. Pauses are mostly alike, so a new entry belongs at the end or close to it.

static void undue(Connection *c)
{
    if (!c->later)
        return;
    c->earlier->later = c->later;
    c->later->earlier = c->earlier;
    c->earlier = c->later = NULL;
}

static void make_due(Connection *c, uint64_t due)
{
    Connection *before = dues.earlier;
    while (before != &dues && before->due > due)
        before = before->earlier;
    c->due = due;
    c->earlier = before;
    c->later = before->later;
    before->later->earlier = c;
    before->later = c;
}

// ---- sending; functions that return bool say whether the connection is still there

static bool drop(Connection *c)
{
    undue(c);
    close(c->fd);
    free(c->in.at);
    free(c->out.at);
    free(c);
    return false;
}

static void watch(Connection *c, bool also_for_room)
{
    if (c->waits_to_send == also_for_room)
        return;
    c->waits_to_send = also_for_room;
    struct epoll_event e = {also_for_room ? EPOLLIN | EPOLLOUT : EPOLLIN, {.ptr = c}};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static bool flush(Connection *c)
{
    while (c->sent < c->out.length) {
        ssize_t count = send(c->fd, c->out.at + c->sent, c->out.length - c->sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN)
            return drop(c);
        if (count < 0) {
            watch(c, true);
            return true;
        }
        c->sent += (size_t)count;
    }
    c->sent = c->out.length = 0;
    watch(c, false);
    return true;
}

static bool answer(Connection *c, const char *body, size_t length)
{
    appendf(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", length);
    append(&c->out, body, length);
    return flush(c);
}

// ---- what the two dialects say; piece 0 opens a stream, 1 to `pieces` are its text, the one after them ends it

static void chat_chunk(Connection *c, const char *delta, const char *finish)
{
    event(&c->out,
          "data: {\"id\":\"chatcmpl-fake\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"fake\","
          "\"choices\":[{\"index\":0,\"delta\":%s,\"logprobs\":null,\"finish_reason\":%s}]}\n\n", delta, finish);
}

static void chat_piece(Connection *c, int piece)
{
    char delta[128];
    if (piece == 0) {
        chat_chunk(c, "{\"role\":\"assistant\",\"content\":\"\"}", "null");
    } else if (piece <= c->pieces) {
        snprintf(delta, sizeof delta, "{\"content\":\"@%015llu@ tok%d \"}", (unsigned long long)now_us(), piece);
        chat_chunk(c, delta, "null");
    } else {
        chat_chunk(c, "{}", "\"stop\"");
        if (c->wants_usage)
            event(&c->out,
                  "data: {\"id\":\"chatcmpl-fake\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
                  "\"model\":\"fake\",\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":%d,"
                  "\"total_tokens\":%d}}\n\n", c->pieces, c->pieces + 12);
        event(&c->out, "data: [DONE]\n\n");
    }
}

static void messages_piece(Connection *c, int piece)
{
    Buffer *out = &c->out;
    if (piece == 0) {
        event(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_fake\","
                   "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"fake\",\"content\":[],\"stop_reason\":null,"
                   "\"stop_sequence\":null,\"usage\":{\"input_tokens\":12,\"output_tokens\":1}}}\n\n");
        event(out, "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
                   "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
    } else if (piece <= c->pieces) {
        event(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                   "\"delta\":{\"type\":\"text_delta\",\"text\":\"@%015llu@ tok%d \"}}\n\n",
              (unsigned long long)now_us(), piece);
    } else {
        event(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n");
        event(out, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
                   "\"stop_sequence\":null},\"usage\":{\"output_tokens\":%d}}\n\n", c->pieces);
        event(out, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }
}

static bool answer_whole(Connection *c)
{
    static const char LOREM[] = "lorem ipsum dolor sit amet consectetur ";
    static Buffer body;
    body.length = 0;
    appendf(&body, c->speaks_chat
                       ? "{\"id\":\"chatcmpl-fake\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"fake\","
                         "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\""
                       : "{\"id\":\"msg_fake\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"fake\","
                         "\"content\":[{\"type\":\"text\",\"text\":\"");
    for (int i = 0; i < c->bytes; i++)
        append(&body, LOREM + (size_t)i % (sizeof LOREM - 1), 1);
    int tokens = c->bytes / 4;
    if (c->speaks_chat)
        appendf(&body, "\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":12,"
                       "\"completion_tokens\":%d,\"total_tokens\":%d}}", tokens, tokens + 12);
    else
        appendf(&body, "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,"
                       "\"usage\":{\"input_tokens\":12,\"output_tokens\":%d}}", tokens);
    return answer(c, body.at, body.length);
}

static bool go_on_streaming(Connection *c)
{
    for (;;) {
        int piece = c->piece++;
        (c->speaks_chat ? chat_piece : messages_piece)(c, piece);
        if (piece > c->pieces) {
            append(&c->out, "0\r\n\r\n", 5);
            return flush(c);
        }
        if (piece > 0 && c->pause_ms > 0) // the opening and the first piece leave together
            break;
    }
    uint64_t due = c->due + (uint64_t)c->pause_ms * 1000, now = now_us();
    make_due(c, due > now ? due : now);
    return flush(c);
}

static bool begin_stream(Connection *c)
{
    appendf(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                     "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n");
    c->piece = 0;
    c->due = now_us();
    return go_on_streaming(c);
}

// ---- reading requests

// The value after the first `key` of a JSON text, or "". Enough for the bodies that the benchmark sends.
static const char *value_of(const char *key, const char *json, size_t length)
{
    const char *end = json + length, *at = memmem(json, length, key, strlen(key));
    if (!at)
        return "";
    for (at += strlen(key); at < end && (isspace((unsigned char)*at) || *at == ':'); at++)
        ;
    return at < end ? at : "";
}

static int number_in(const char *model, char letter, int otherwise)
{
    for (; *model && *model != '"' && model[1] != '"'; model++)
        if (model[0] == '-' && model[1] == letter && isdigit((unsigned char)model[2]))
            return atoi(model + 2);
    return otherwise;
}

static bool path_ends(const char *head, const char *ending)
{
    const char *end = head + strcspn(head, " "); // of the method
    end += 1 + strcspn(end + 1, " ?\r");
    size_t length = strlen(ending);
    return (size_t)(end - head) >= length && !memcmp(end - length, ending, length);
}

static bool answer_post(Connection *c, const char *head, const char *body, size_t length)
{
    const char *model = value_of("\"model\"", body, length);
    requests++;
    last_body.length = 0;
    append(&last_body, body, length);
    c->speaks_chat = path_ends(head, "/chat/completions");
    c->wants_usage = *value_of("\"include_usage\"", body, length) == 't';
    if (!c->speaks_chat && !path_ends(head, "/messages")) {
        fprintf(stderr, "upstream: unexpected request: %.*s\n", (int)strcspn(head, "\r"), head);
        return drop(c);
    }
    if (*model == '"')
        model++;
    c->pieces = number_in(model, 'n', 40);
    c->pause_ms = number_in(model, 'd', 0);
    c->bytes = number_in(model, 's', 400);
    return *value_of("\"stream\"", body, length) == 't' ? begin_stream(c) : answer_whole(c);
}

static bool answer_get(Connection *c, const char *head)
{
    char stats[128];
    if (path_ends(head, "/last"))
        return answer(c, last_body.at, last_body.length);
    int length = snprintf(stats, sizeof stats, "{\"requests\":%llu,\"events\":%llu}", requests, events);
    return answer(c, stats, (size_t)length);
}

// One request at a time: whoever keeps a connection alive sends the next one after the answer's end.
static bool receive(Connection *c)
{
    Buffer *in = &c->in;
    reserve(in, 65536);
    ssize_t count = recv(c->fd, in->at + in->length, in->capacity - in->length - 1, 0);
    if (count < 0 && errno == EAGAIN)
        return true;
    if (count <= 0)
        return drop(c);
    in->length += (size_t)count;
    in->at[in->length] = 0;

    char *end = memmem(in->at, in->length, "\r\n\r\n", 4);
    if (!end)
        return true;
    *end = 0; // so that the head can be searched as a string
    const char *announced = strcasestr(in->at, "\r\ncontent-length:");
    size_t length = announced ? strtoul(announced + 17, NULL, 10) : 0;
    if (strcasestr(in->at, "\r\ntransfer-encoding:")) {
        fprintf(stderr, "upstream: a request without a content-length\n");
        return drop(c);
    }
    char *body = end + 4;
    if (in->length < (size_t)(body - in->at) + length) {
        *end = '\r';
        return true;
    }
    in->length = 0;
    return *in->at == 'P' ? answer_post(c, in->at, body, length) : answer_get(c, in->at);
}

static void accept_all(int listener)
{
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        Connection *c = calloc(1, sizeof *c);
        struct epoll_event e = {EPOLLIN, {.ptr = c}};
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
}

// Rounded down: the last millisecond is spent polling, so that paced streams do not fall into step with the clock's ticks.
static int milliseconds_to_next(void)
{
    if (dues.later == &dues)
        return -1;
    uint64_t now = now_us(), due = dues.later->due;
    return due > now ? (int)((due - now) / 1000) : 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: upstream PORT\n");
        return 2;
    }
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("upstream");
        return 1;
    }
    epoll = epoll_create1(0);
    struct epoll_event ready[256], e = {EPOLLIN, {.ptr = NULL}};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    bool sleeps = getenv("PEERS_SLEEP");
    for (;;) {
        int count = epoll_wait(epoll, ready, 256, sleeps ? milliseconds_to_next() : 0);
        if (!count)
            sched_yield(); // the load shares this core
        for (int i = 0; i < count; i++) {
            Connection *c = ready[i].data.ptr;
            if (!c)
                accept_all(listener);
            else if (!(ready[i].events & EPOLLOUT) || flush(c))
                if (ready[i].events & ~(unsigned)EPOLLOUT)
                    receive(c);
        }
        for (uint64_t now = now_us(); dues.later != &dues && dues.later->due <= now;) {
            Connection *c = dues.later;
            undue(c);
            go_on_streaming(c);
        }
    }
}
