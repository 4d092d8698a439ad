// A load generator: some connections send one and the same request over and over, each as soon as its last reply is complete.
//
//     load PORT REQUEST_FILE CONNECTIONS SECONDS DELTAS
//
// REQUEST_FILE holds the bytes of a whole HTTP/1.1 request. DELTAS is how many stamped pieces of text (see upstream.c) a
// streamed reply must bring before its end mark; 0 when the reply is not streamed. Prints one JSON object; `first` is from
// the start of a request to its first event, `whole` to its end, `transit` from the making of a piece to its arrival.
//
// It and the upstream look for work without ever sleeping, unless PEERS_SLEEP is set: to wake a sleeping process on another
// core costs whoever writes to it several microseconds (an interrupt, dear on a virtual machine). nginx keeps both busy and
// never pays that; a slower server would be charged for it on top of its own work.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"

enum { STAMP = 17, GRACE_SECONDS = 10 };

typedef struct {
    uint32_t *at; // microseconds
    size_t length, capacity;
} Samples;

typedef struct {
    int fd;
    bool is_busy, has_head;
    size_t sent;
    Buffer in;   // bytes of HTTP that are not understood yet
    Buffer text; // of an event stream: the line that is not complete yet
    int status;
    long content_length; // -1: chunked
    uint64_t started;
    bool has_event, has_end_mark;
    int deltas;
} Connection;

static int epoll, wanted_deltas;
static struct sockaddr_in server = {.sin_family = AF_INET};
static Buffer request;
static uint64_t end; // no request starts after it
static unsigned long long good, bad;
static char excerpt[256]; // of the first bad reply
static Samples first, whole, transit;

static void consume(Buffer *b, size_t count)
{
    b->length -= count;
    memmove(b->at, b->at + count, b->length);
}

static void record(Samples *s, uint64_t from, uint64_t to)
{
    if (s->length == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 65536;
        s->at = realloc(s->at, s->capacity * sizeof *s->at);
    }
    s->at[s->length++] = to > from ? (uint32_t)(to - from) : 0;
}

// ---- one exchange

static void begin(Connection *c);

static void watch(Connection *c, int operation, uint32_t what)
{
    struct epoll_event e = {what, {.ptr = c}};
    epoll_ctl(epoll, operation, c->fd, &e);
}

static void finish(Connection *c, const char *complaint)
{
    uint64_t now = now_us();
    c->is_busy = false;
    if (!complaint) {
        good++;
        record(&whole, c->started, now);
    } else {
        const Buffer *said = c->text.length ? &c->text : &c->in;
        if (!bad++)
            snprintf(excerpt, sizeof excerpt, "%s (status %d): %.*s", complaint, c->status, (int)said->length,
                     said->length ? said->at : "");
        close(c->fd);
        c->fd = -1;
    }
    if (now < end && bad < 100) // a gateway that refuses everything is not asked a million times
        begin(c);
}

static void send_more(Connection *c)
{
    while (c->sent < request.length) {
        ssize_t count = send(c->fd, request.at + c->sent, request.length - c->sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (count < 0) {
            finish(c, "could not send");
            return;
        }
        c->sent += (size_t)count;
    }
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void begin(Connection *c)
{
    c->started = now_us();
    c->is_busy = true;
    c->has_head = c->has_event = c->has_end_mark = false;
    c->sent = c->in.length = c->text.length = 0;
    c->status = c->deltas = 0;
    if (c->fd >= 0) {
        send_more(c);
        return;
    }
    int yes = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connect(c->fd, (struct sockaddr *)&server, sizeof server); // a failure shows when the first byte is sent
    watch(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

static void complete(Connection *c)
{
    if (c->status != 200)
        finish(c, "refused");
    else if (wanted_deltas && (c->deltas != wanted_deltas || !c->has_end_mark))
        finish(c, "incomplete");
    else
        finish(c, NULL);
}

// ---- reading event streams

static bool holds(const char *line, const char *line_end, const char *word)
{
    return memmem(line, (size_t)(line_end - line), word, strlen(word));
}

static bool is_end_mark(const char *line, const char *line_end)
{
    return holds(line, line_end, "[DONE]") || holds(line, line_end, "\"message_stop\"") ||
           holds(line, line_end, "\"response.completed\"") || holds(line, line_end, "\"finishReason\"");
}

// Responses says the whole text again in each of the events that end a part, its item and the reply.
static bool is_repetition(const char *line, const char *line_end)
{
    return holds(line, line_end, ".done\"") || holds(line, line_end, "\"response.completed\"");
}

static void read_pieces(Connection *c, const char *line, const char *line_end, uint64_t now)
{
    for (const char *at = line; (at = memchr(at, '@', (size_t)(line_end - at))) && line_end - at >= STAMP;) {
        if (at[STAMP - 1] != '@') {
            at++;
            continue;
        }
        record(&transit, strtoull(at + 1, NULL, 10), now);
        c->deltas++;
        at += STAMP;
    }
}

static void read_data(Connection *c, const char *line, const char *line_end)
{
    uint64_t now = now_us();
    if (!c->has_event)
        record(&first, c->started, now);
    c->has_event = true;
    if (c->deltas < wanted_deltas || !is_repetition(line, line_end))
        read_pieces(c, line, line_end, now);
    if (c->deltas >= wanted_deltas && is_end_mark(line, line_end))
        c->has_end_mark = true;
}

static void read_text(Connection *c, const char *bytes, size_t count)
{
    append(&c->text, bytes, count);
    char *at = c->text.at, *text_end = at + c->text.length, *newline;
    if (c->status != 200)
        return; // an error: kept for the excerpt
    while ((newline = memchr(at, '\n', (size_t)(text_end - at)))) {
        if (newline - at > 5 && !memcmp(at, "data:", 5))
            read_data(c, at + 5, newline);
        at = newline + 1;
    }
    consume(&c->text, (size_t)(at - c->text.at));
}

// ---- reading HTTP

static bool read_head(Connection *c)
{
    char *head_end = memmem(c->in.at, c->in.length, "\r\n\r\n", 4);
    if (!head_end || c->in.length < 12)
        return false;
    *head_end = 0;
    const char *announced = strcasestr(c->in.at, "\r\ncontent-length:");
    c->status = atoi(c->in.at + 9);
    c->content_length = announced ? atol(announced + 17) : -1;
    c->has_head = true;
    consume(&c->in, (size_t)(head_end + 4 - c->in.at));
    return true;
}

// Chunks are read whole: they are far smaller than a socket's buffer. True when the last one is there.
static bool read_chunks(Connection *c)
{
    char *at = c->in.at, *in_end = at + c->in.length, *newline;
    bool is_last = false;
    while (!is_last && (newline = memchr(at, '\n', (size_t)(in_end - at)))) {
        long size = strtol(at, NULL, 16);
        if (in_end - (newline + 1) < size + 2)
            break;
        read_text(c, newline + 1, (size_t)size);
        at = newline + 1 + size + 2;
        is_last = size == 0;
    }
    consume(&c->in, (size_t)(at - c->in.at));
    return is_last;
}

static void receive(Connection *c)
{
    reserve(&c->in, 65536);
    ssize_t count = recv(c->fd, c->in.at + c->in.length, c->in.capacity - c->in.length - 1, 0);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        finish(c, "cut off");
        return;
    }
    c->in.length += (size_t)count;
    c->in.at[c->in.length] = 0;
    if (!c->has_head && !read_head(c))
        return;
    if (c->content_length < 0 ? read_chunks(c) : (long)c->in.length >= c->content_length)
        complete(c);
}

// ---- the report

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_samples(const char *name, Samples *s)
{
    if (s->length)
        qsort(s->at, s->length, sizeof *s->at, by_size);
    uint32_t median = s->length ? s->at[s->length / 2] : 0, p99 = s->length ? s->at[s->length * 99 / 100] : 0;
    printf("\"%s\":{\"p50\":%u,\"p99\":%u},", name, median, p99);
}

static void print_excerpt(void)
{
    printf("\"excerpt\":\"");
    for (const char *at = excerpt; *at; at++)
        putchar(*at < ' ' || *at > '~' || *at == '"' || *at == '\\' ? ' ' : *at);
    printf("\"}\n");
}

int main(int argc, char **argv)
{
    FILE *file = argc == 6 ? fopen(argv[2], "rb") : NULL;
    if (!file) {
        fprintf(stderr, "usage: load PORT REQUEST_FILE CONNECTIONS SECONDS DELTAS\n");
        return 2;
    }
    for (size_t count = 1; count;) {
        reserve(&request, 65536);
        count = fread(request.at + request.length, 1, 65536, file);
        request.length += count;
    }
    fclose(file);
    int connections = atoi(argv[3]);
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    wanted_deltas = atoi(argv[5]);
    epoll = epoll_create1(0);

    uint64_t start = now_us();
    end = start + (uint64_t)(atof(argv[4]) * 1e6);
    Connection *all = calloc((size_t)connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        all[i].fd = -1;
        begin(&all[i]);
    }
    struct epoll_event ready[256];
    int busy = connections, patience = getenv("PEERS_SLEEP") ? 100 : 0;
    while (busy && now_us() < end + GRACE_SECONDS * 1000000ULL) {
        int count = epoll_wait(epoll, ready, 256, patience);
        if (!count)
            sched_yield(); // the upstream shares this core
        for (int i = 0; i < count; i++) {
            Connection *c = ready[i].data.ptr;
            if (c->is_busy && ready[i].events & EPOLLOUT)
                send_more(c);
            if (c->is_busy && ready[i].events & EPOLLIN)
                receive(c);
        }
        busy = 0;
        for (int i = 0; i < connections; i++)
            busy += all[i].is_busy;
    }
    printf("{\"good\":%llu,\"bad\":%llu,\"unfinished\":%d,\"seconds\":%.3f,", good, bad, busy,
           (double)(now_us() - start) / 1e6);
    print_samples("first", &first);
    print_samples("whole", &whole);
    print_samples("transit", &transit);
    print_excerpt();
    return 0;
}
