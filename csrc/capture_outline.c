// Writes a capture in memray's format that has all of another one but its allocations, and each stack once, in the order in
// which memray numbers stacks. memray reads it in no time, and then resolves every stack of the whole capture.
#include "capture.h"

#include <stdlib.h>
#include <string.h>

void outline_add(Outline *outline, const uint8_t *bytes, size_t size) {
    if (size > outline->capacity - outline->size) {
        size_t capacity = (outline->capacity + size) * 2;
        uint8_t *larger = realloc(outline->bytes, capacity);
        if (!larger) {
            outline->failed = true;
            return;
        }
        outline->bytes = larger;
        outline->capacity = capacity;
    }
    memcpy(outline->bytes + outline->size, bytes, size);
    outline->size += size;
}

static void add_byte(Outline *outline, unsigned int byte) { outline_add(outline, &(uint8_t){(uint8_t)byte}, 1); }

static void add_number(Outline *outline, uint64_t number) {
    for (; number > 127; number >>= 7) add_byte(outline, (number & 127) | 128);
    add_byte(outline, (unsigned int)number);
}

static void add_signed(Outline *outline, uint64_t number) {  // in two's complement
    add_number(outline, (number << 1) ^ (number >> 63 ? UINT64_MAX : 0));
}

void outline_thread(Outline *outline, uint64_t thread) {
    if (outline->has_thread && outline->thread == thread) return;
    outline->has_thread = true;
    outline->thread = thread;
    add_byte(outline, 12);
    outline_add(outline, (const uint8_t *)&thread, sizeof thread);
}

void outline_pop(Outline *outline, uint32_t count) {
    for (; count > 16; count -= 16) add_byte(outline, 16 | 15);
    if (count) add_byte(outline, 16 | (count - 1));
}

void outline_push(Outline *outline, const FrameNode *frame) {
    add_byte(outline, 64u | frame->entry);
    add_number(outline, frame->code);
    add_signed(outline, (uint64_t)(int64_t)frame->offset);
}

// The index is written as the difference to the last one, which in the original may be that of an allocation.
void outline_native(Outline *outline, const uint8_t *before, size_t size, uint64_t index) {
    outline_add(outline, before, size);
    add_signed(outline, index - outline->native);
    outline->native = index;
}

void outline_end(Outline *outline, uint64_t thread, bool native) {
    outline_thread(outline, thread);
    add_byte(outline, 128u | 15 << 3 | MALLOC);
    add_signed(outline, 2);
    if (native) add_signed(outline, 0);
    add_number(outline, 1);
    add_byte(outline, 1);
}
