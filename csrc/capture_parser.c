// Parses memray's captures of every allocation, versions 12 and 13 of its format, record by record.
#include "capture.h"

#include <stdlib.h>
#include <string.h>

enum {
    UNUSED = 0, TRAILER = 1, MEMORY = 2, NATIVE_FRAME = 5, MAPS_BEGIN = 6, LIBRARY = 7, SEGMENT = 8,
    THREAD_NAME = 10, THREAD_SWITCH = 12, CODE = 14, POP = 16, OBJECT = 32, PUSH = 64, ALLOCATION = 128,
};

#define MARKER_FILE "<fwmemtrace>"  // capture/markers.py has it, and the rest of what markers are

// What is left of the bytes at hand. A step that fails has changed nothing of the parser, so that it can be taken again
// with more bytes.
typedef struct {
    const uint8_t *at, *end;
} Cursor;

static inline Outcome take(Cursor *cursor, void *value, size_t size) {
    if ((size_t)(cursor->end - cursor->at) < size) return CAPTURE_SHORT;
    memcpy(value, cursor->at, size);
    cursor->at += size;
    return CAPTURE_OK;
}

static inline Outcome skip(Cursor *cursor, uint64_t size) {
    if ((size_t)(cursor->end - cursor->at) < size) return CAPTURE_SHORT;
    cursor->at += size;
    return CAPTURE_OK;
}

static Outcome skip_text(Cursor *cursor) {
    const uint8_t *zero = memchr(cursor->at, 0, (size_t)(cursor->end - cursor->at));
    if (!zero) return CAPTURE_SHORT;
    cursor->at = zero + 1;
    return CAPTURE_OK;
}

static inline Outcome take_number(Cursor *cursor, uint64_t *number) {
    uint64_t value = 0;
    for (unsigned int shift = 0; shift < 64; shift += 7) {
        if (UNLIKELY(cursor->at == cursor->end)) return CAPTURE_SHORT;
        uint8_t byte = *cursor->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *number = value;
            return CAPTURE_OK;
        }
    }
    return CAPTURE_ODD;
}

static inline Outcome take_signed(Cursor *cursor, uint64_t *number) {  // in two's complement
    uint64_t value = 0;
    Outcome outcome = take_number(cursor, &value);
    *number = (value >> 1) ^ (value & 1 ? UINT64_MAX : 0);
    return outcome;
}

#define TRY(step)                                                  \
    do {                                                           \
        Outcome outcome_ = (step);                                 \
        if (UNLIKELY(outcome_ != CAPTURE_OK)) return outcome_;     \
    } while (0)

static Outcome skip_texts(Cursor *cursor) {  // an empty one ends them
    for (;;) {
        const uint8_t *before = cursor->at;
        TRY(skip_text(cursor));
        if (cursor->at == before + 1) return CAPTURE_OK;
    }
}

static Outcome header(Parser *parser, Cursor *cursor) {
    char magic[7];
    int32_t version;
    uint8_t native, format;
    TRY(take(cursor, magic, sizeof magic));
    TRY(take(cursor, &version, sizeof version));
    TRY(skip(cursor, 4));  // Python's version
    TRY(take(cursor, &native, 1));
    TRY(take(cursor, &format, 1));
    if (memcmp(magic, "memray", sizeof magic) || (version != 12 && version != 13) || native > 1 || format)
        return CAPTURE_ODD;
    TRY(skip(cursor, 4 * 8));  // numbers of allocations and frames, times of start and end
    TRY(skip_text(cursor));    // command line
    TRY(skip(cursor, 4 + 8 + 8 + 3));  // pid, main thread and its hidden frames, kind of allocator and of tracing
    if (version == 13) {
        TRY(skip_text(cursor));
        TRY(skip_texts(cursor));
        TRY(skip_texts(cursor));
    }
    parser->has_native = native;
    return CAPTURE_OK;
}

static Outcome switch_thread(Parser *parser, uint64_t thread) {
    uint64_t place;
    if (!map_find(&parser->thread_places, thread, &place)) {
        if (parser->thread_count == parser->thread_capacity) {
            size_t capacity = parser->thread_capacity ? parser->thread_capacity * 2 : 16;
            ThreadStack *threads = realloc(parser->threads, capacity * sizeof *threads);
            if (!threads) return CAPTURE_NO_MEMORY;
            parser->threads = threads;
            parser->thread_capacity = capacity;
        }
        place = parser->thread_count++;
        parser->threads[place] = (ThreadStack){.thread = thread};
        if (!map_put(&parser->thread_places, thread, place)) return CAPTURE_NO_MEMORY;
    }
    parser->thread = &parser->threads[place];
    return CAPTURE_OK;
}

static inline uint32_t stack_of(const ThreadStack *thread) {
    return thread->depth ? thread->stack[thread->depth - 1] : 0;
}

static Outcome push(Parser *parser, Cursor *cursor, bool entry) {
    uint64_t code, offset;
    TRY(take_number(cursor, &code));
    TRY(take_signed(cursor, &offset));
    ThreadStack *thread = parser->thread;
    if (!thread || (int64_t)offset != (int32_t)offset) return CAPTURE_ODD;
    if (thread->depth == thread->capacity) {
        uint64_t capacity = thread->capacity ? (uint64_t)thread->capacity * 2 : 256;
        uint32_t *stack = capacity < UINT32_MAX ? realloc(thread->stack, capacity * sizeof *stack) : NULL;
        if (!stack) return CAPTURE_NO_MEMORY;
        thread->stack = stack;
        thread->capacity = (uint32_t)capacity;
    }
    FrameNode frame = {.code = code, .offset = (int32_t)offset, .parent = stack_of(thread), .entry = entry};
    uint32_t stack = frame_tree_child(&parser->tree, &frame);
    if (!stack) return CAPTURE_NO_MEMORY;
    thread->stack[thread->depth++] = stack;
    return CAPTURE_OK;
}

static Outcome pop(Parser *parser, uint32_t count) {
    ThreadStack *thread = parser->thread;
    if (!thread || thread->depth < count) return CAPTURE_ODD;
    thread->depth -= count;
    return CAPTURE_OK;
}

// Addresses are written as differences, and the last 15 different ones as their place among those.
static inline Outcome take_address(Parser *parser, Cursor *cursor, unsigned int place, uint64_t *pointer) {
    if (place < 15) {
        *pointer = parser->recent[(parser->latest + place) & 15];
        return CAPTURE_OK;
    }
    TRY(take_signed(cursor, pointer));
    *pointer = (parser->pointer + *pointer);
    return CAPTURE_OK;
}

static inline uint64_t keep_address(Parser *parser, unsigned int place, uint64_t pointer) {
    if (place < 15) return pointer;
    parser->pointer = pointer;
    parser->latest = (parser->latest - 1) & 15;
    return parser->recent[parser->latest] = pointer << 3;
}

static inline Outcome allocation(Parser *parser, Cursor *cursor, unsigned int flags, Allocation *found) {
    uint64_t pointer, native = 0, size = 0;
    uint8_t allocator = flags & 7;
    TRY(take_address(parser, cursor, flags >> 3, &pointer));
    if (!allocator) TRY(take(cursor, &allocator, 1));
    if (!parser->thread || !allocator || allocator > MUNMAP) return CAPTURE_ODD;
    bool is_free = allocator == FREE || allocator == PYMALLOC_FREE;
    if (parser->has_native && !is_free) TRY(take_signed(cursor, &native));
    if (!is_free) TRY(take_number(cursor, &size));
    parser->native += native;
    *found = (Allocation){
        .thread = parser->thread->thread,
        .address = keep_address(parser, flags >> 3, pointer),
        .size = size,
        .allocator = allocator,
    };
    if (!is_free && allocator != MUNMAP) {
        found->stack = stack_of(parser->thread);
        found->native = parser->has_native ? parser->native : 0;
        found->generation = parser->generation;
    }
    return CAPTURE_OK;
}

static Outcome object(Parser *parser, Cursor *cursor, unsigned int flags) {
    uint64_t pointer, native = 0;
    TRY(take_address(parser, cursor, flags >> 1, &pointer));
    if (parser->has_native && flags & 1) TRY(take_signed(cursor, &native));
    parser->native += native;
    keep_address(parser, flags >> 1, pointer);
    return CAPTURE_OK;
}

// Reads it for the maps if there are any to keep it in: first without, to see that all of it is at hand.
static Outcome library(Cursor *cursor, Maps *maps) {
    const char *path = (const char *)cursor->at;
    uint64_t segments, base, address, size;
    TRY(skip_text(cursor));
    TRY(take_number(cursor, &segments));
    TRY(take(cursor, &base, sizeof base));
    if (maps && !maps_library(maps, path, base)) return CAPTURE_NO_MEMORY;
    for (; segments; segments--) {
        uint8_t kind;
        TRY(take(cursor, &kind, 1));
        if (kind != SEGMENT) return CAPTURE_ODD;
        TRY(take(cursor, &address, sizeof address));
        TRY(take_number(cursor, &size));
        if (maps && !maps_segment(maps, address, size)) return CAPTURE_NO_MEMORY;
    }
    return CAPTURE_OK;
}

static Outcome code(Parser *parser, Cursor *cursor) {
    uint64_t number, line, size;
    TRY(take_number(cursor, &number));
    const char *function = (const char *)cursor->at;
    TRY(skip_text(cursor));
    const char *file = (const char *)cursor->at;
    TRY(skip_text(cursor));
    TRY(take_signed(cursor, &line));
    TRY(take_number(cursor, &size));
    TRY(skip(cursor, size));
    if (LIKELY(strcmp(file, MARKER_FILE)) || parser->again) return CAPTURE_OK;
    size_t count = parser->marker_count;
    if (!(count & (count - 1))) {
        char **larger = realloc(parser->markers, (count ? count * 2 : 1) * sizeof *larger);
        if (!larger) return CAPTURE_NO_MEMORY;
        parser->markers = larger;
    }
    char *name = strdup(function);
    if (!name) return CAPTURE_NO_MEMORY;
    parser->markers[parser->marker_count++] = name;
    return map_put(&parser->marker_codes, number, count) ? CAPTURE_OK : CAPTURE_NO_MEMORY;
}

bool parser_marker(const Parser *parser, uint32_t stack, size_t *place) {
    uint64_t found;
    if (!stack || !map_find(&parser->marker_codes, parser->tree.nodes[stack].code, &found)) return false;
    *place = (size_t)found;
    return true;
}

static Outcome native_frame(Parser *parser, Cursor *cursor) {
    uint64_t instruction, caller;
    TRY(take_signed(cursor, &instruction));
    TRY(take_signed(cursor, &caller));
    parser->instruction += instruction;
    parser->native += caller;
    if (parser->again) return CAPTURE_OK;
    if (parser->native > parser->native_count || parser->native_count == UINT32_MAX) return CAPTURE_ODD;
    if (parser->native_count == parser->native_capacity) {
        size_t capacity = parser->native_capacity ? parser->native_capacity * 2 : 1024;
        NativeFrame *natives = realloc(parser->natives, capacity * sizeof *natives);
        if (!natives) return CAPTURE_NO_MEMORY;
        parser->natives = natives;
        parser->native_capacity = capacity;
    }
    parser->natives[parser->native_count++] = (NativeFrame){parser->instruction, parser->native};
    return CAPTURE_OK;
}

// One record that is no allocation.
static Outcome other_record(Parser *parser, Cursor *cursor, unsigned int kind) {
    const uint8_t *start = cursor->at - 1;
    uint64_t number, thread;
    if (kind & PUSH) return push(parser, cursor, kind & 1);
    if (kind & OBJECT) return object(parser, cursor, kind & 31);
    if (kind & POP) return pop(parser, (kind & 15) + 1);
    switch (kind) {
        case UNUSED:  // memray makes its file larger before it writes there
        case TRAILER:
            return CAPTURE_END;
        case THREAD_SWITCH:
            TRY(take(cursor, &thread, sizeof thread));
            return switch_thread(parser, thread);
        case THREAD_NAME:
            return skip_text(cursor);
        case NATIVE_FRAME:
            return native_frame(parser, cursor);
        case MEMORY:
            TRY(take_number(cursor, &number));
            TRY(take_number(cursor, &number));
            break;
        case MAPS_BEGIN:
            parser->generation++;
            return parser->again || maps_begin(&parser->maps) ? CAPTURE_OK : CAPTURE_NO_MEMORY;
        case LIBRARY: {
            Cursor whole = *cursor;
            if (!parser->generation) return CAPTURE_ODD;
            TRY(library(cursor, NULL));
            return parser->again ? CAPTURE_OK : library(&whole, &parser->maps);
        }
        case CODE:
            TRY(code(parser, cursor));
            break;
        default:
            return CAPTURE_ODD;
    }
    if (!parser->again) bytes_add(&parser->preface, start, (size_t)(cursor->at - start));
    return CAPTURE_OK;
}

// Within the header.
static Outcome more(Parser *parser) {
    Outcome outcome = stream_refill(&parser->stream);
    return outcome == CAPTURE_END ? CAPTURE_ODD : outcome;
}

// Among records. A capture of a process that was killed ends anywhere, and the last record may be there in part; memray's
// reader ends before that too. Such a capture is never compressed.
static Outcome further(Parser *parser) {
    Outcome outcome = stream_refill(&parser->stream);
    return outcome == CAPTURE_END && parser->stream.compressed ? CAPTURE_ODD : outcome;
}

Outcome parser_next(Parser *parser, Allocation *found) {
    Stream *stream = &parser->stream;
    for (;;) {
        Cursor cursor = {stream->bytes + stream->at, stream->bytes + stream->end};
        if (UNLIKELY(cursor.at == cursor.end)) {
            TRY(further(parser));
            continue;
        }
        unsigned int kind = *cursor.at++;
        Outcome outcome =
            kind & ALLOCATION ? allocation(parser, &cursor, kind & 127, found) : other_record(parser, &cursor, kind);
        if (UNLIKELY(outcome == CAPTURE_SHORT)) {
            TRY(further(parser));
            continue;
        }
        TRY(outcome);
        stream->at = (size_t)(cursor.at - stream->bytes);
        if (kind & ALLOCATION) return CAPTURE_OK;
    }
}

Outcome parser_begin(Parser *parser, const char *path) {
    for (size_t thread = 0; thread < parser->thread_count; thread++) parser->threads[thread].depth = 0;
    memset(parser->recent, 0, sizeof parser->recent);
    parser->pointer = parser->native = parser->generation = 0;
    parser->thread = NULL;
    parser->instruction = 0;
    parser->again = parser->preface.size > 0;
    TRY(stream_open(&parser->stream, path));
    for (;;) {
        Stream *stream = &parser->stream;
        Cursor cursor = {stream->bytes + stream->at, stream->bytes + stream->end};
        Outcome outcome = header(parser, &cursor);
        if (outcome == CAPTURE_SHORT) {
            TRY(more(parser));
            continue;
        }
        TRY(outcome);
        size_t size = (size_t)(cursor.at - stream->bytes) - stream->at;
        if (!parser->again) {
            bytes_add(&parser->preface, stream->bytes + stream->at, size);
            parser->header_size = size;
        }
        stream->at += size;
        return CAPTURE_OK;
    }
}

void parser_end(Parser *parser) {
    stream_close(&parser->stream);
    for (size_t thread = 0; thread < parser->thread_count; thread++) free(parser->threads[thread].stack);
    free(parser->threads);
    map_free(&parser->thread_places);
    map_free(&parser->marker_codes);
    for (size_t marker = 0; marker < parser->marker_count; marker++) free(parser->markers[marker]);
    free(parser->markers);
    frame_tree_free(&parser->tree);
    free(parser->natives);
    maps_free(&parser->maps);
    free(parser->preface.bytes);
    *parser = (Parser){.stream = {.fd = -1}};
}
