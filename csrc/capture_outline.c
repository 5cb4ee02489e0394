// Copies those Python stacks of a capture that a report shows into a small one, without allocations and native frames.
// memray then names their functions and lines without reading the whole capture again. It numbers a stack when it first sees
// it, so the numbers in the copy are others, unless all stacks are copied.
#include "capture.h"

#include <stdlib.h>
#include <string.h>

static void add_byte(Outline *outline, unsigned int byte) { bytes_add(&outline->bytes, &(uint8_t){(uint8_t)byte}, 1); }

static void add_number(Outline *outline, uint64_t number) {
    for (; number > 127; number >>= 7) add_byte(outline, (number & 127) | 128);
    add_byte(outline, (unsigned int)number);
}

static void add_signed(Outline *outline, uint64_t number) {  // in two's complement
    add_number(outline, (number << 1) ^ (number >> 63 ? UINT64_MAX : 0));
}

bool outline_begin(Outline *outline, const Parser *parser) {
    *outline = (Outline){.parser = parser};
    outline->stacks = calloc(parser->tree.count + 1, sizeof *outline->stacks);
    bytes_add(&outline->bytes, parser->preface.bytes, parser->preface.size);
    if (parser->thread_count) {  // any thread will do
        add_byte(outline, 12);
        bytes_add(&outline->bytes, &parser->threads->thread, sizeof parser->threads->thread);
    }
    return outline->stacks;
}

static bool has_room(Outline *outline, Numbers *numbers, size_t count) {
    if (count <= numbers->capacity) return true;
    size_t capacity = count * 2;
    uint32_t *larger = realloc(numbers->numbers, capacity * sizeof *larger);
    if (!larger) {
        outline->bytes.failed = true;
        return false;
    }
    numbers->numbers = larger;
    numbers->capacity = capacity;
    return true;
}

static void pop(Outline *outline, size_t count) {
    outline->depth -= count;
    for (; count > 16; count -= 16) add_byte(outline, 16 | 15);
    if (count) add_byte(outline, 16u | (unsigned int)(count - 1));
}

static void push(Outline *outline, uint32_t stack) {
    const FrameNode *frame = &outline->parser->tree.nodes[stack];
    add_byte(outline, 64u | frame->entry);
    add_number(outline, frame->code);
    add_signed(outline, (uint64_t)(int64_t)frame->offset);
    if (!outline->stacks[stack]) outline->stacks[stack] = ++outline->stack_count;
}

// Goes from the stack that the path ends in to another one. A caller has a smaller number than what it calls, so the greater
// one of both is never part of the other stack.
static void go_to(Outline *outline, uint32_t stack) {
    const FrameNode *nodes = outline->parser->tree.nodes;
    const uint32_t *path = outline->path.numbers;
    size_t keep = outline->depth;
    uint32_t common = stack;
    while (keep && path[keep - 1] != common) {
        if (common > path[keep - 1]) common = nodes[common].parent;
        else keep--;
    }
    if (!keep) common = 0;
    pop(outline, outline->depth - keep);
    size_t depth = keep;
    for (uint32_t at = stack; at != common; at = nodes[at].parent) depth++;
    if (!has_room(outline, &outline->path, depth)) return;
    outline->depth = depth;
    for (uint32_t at = stack; at != common; at = nodes[at].parent) outline->path.numbers[--depth] = at;
    for (; depth < outline->depth; depth++) push(outline, outline->path.numbers[depth]);
}

uint32_t outline_stack(Outline *outline, uint32_t stack) {
    if (!stack || stack >= outline->parser->tree.count) return 0;
    if (!outline->stacks[stack]) go_to(outline, stack);
    return outline->stacks[stack];
}

void outline_end(Outline *outline, bool has_records) {
    if (has_records) {
        add_byte(outline, 128u | 15 << 3 | MALLOC);
        add_signed(outline, 2);
        if (outline->parser->has_native) add_signed(outline, 0);
        add_number(outline, 1);
    }
    add_byte(outline, 1);
}

void outline_free(Outline *outline) {
    free(outline->bytes.bytes);
    free(outline->stacks);
    free(outline->path.numbers);
    *outline = (Outline){0};
}
