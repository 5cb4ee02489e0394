// The tree of all stacks. memray numbers a stack when it first sees it, and so does this, so that both have the same numbers.
#include "capture.h"

#include <stdlib.h>

static bool grow(FrameTree *tree) {
    size_t capacity = tree->capacity ? tree->capacity * 2 : 1024;
    if (capacity > UINT32_MAX) return false;
    FrameNode *nodes = realloc(tree->nodes, capacity * sizeof *nodes);
    if (!nodes) return false;
    if (!tree->nodes) nodes[tree->count++] = (FrameNode){0};
    tree->nodes = nodes;
    tree->capacity = capacity;
    return true;
}

static size_t place_of(const FrameTree *tree, const FrameNode *frame) {
    uint64_t mixed = frame->code * 0x9E3779B97F4A7C15u + (uint32_t)frame->offset;
    mixed = (mixed ^ (mixed >> 32)) * 0xC2B2AE3D27D4EB4Fu + frame->parent * 2u + frame->entry;
    mixed *= 0x9E3779B97F4A7C15u;
    return (size_t)(mixed ^ (mixed >> 32)) & tree->mask;
}

static inline bool is_same(const FrameNode *one, const FrameNode *other) {
    return one->code == other->code && one->offset == other->offset && one->parent == other->parent &&
           one->entry == other->entry;
}

static uint32_t *find(const FrameTree *tree, const FrameNode *frame) {
    size_t place = place_of(tree, frame);
    while (tree->places[place] && !is_same(&tree->nodes[tree->places[place]], frame)) place = (place + 1) & tree->mask;
    return &tree->places[place];
}

static bool rehash(FrameTree *tree) {
    size_t capacity = tree->places ? (tree->mask + 1) * 2 : 4096;
    uint32_t *places = calloc(capacity, sizeof *places);
    if (!places) return false;
    free(tree->places);
    tree->places = places;
    tree->mask = capacity - 1;
    for (size_t node = 1; node < tree->count; node++) *find(tree, &tree->nodes[node]) = (uint32_t)node;
    return true;
}

uint32_t frame_tree_child(FrameTree *tree, const FrameNode *frame, bool *is_new) {
    *is_new = false;
    if (tree->count) {  // mostly a function calls the same one again and again
        uint32_t latest = tree->nodes[frame->parent].latest;
        if (latest && is_same(&tree->nodes[latest], frame)) return latest;
    }
    if ((!tree->places || tree->count * 2 > tree->mask) && !rehash(tree)) return 0;
    uint32_t *place = find(tree, frame);
    if (*place) return tree->nodes[frame->parent].latest = *place;
    if (tree->count == tree->capacity && !grow(tree)) return 0;
    *is_new = true;
    *place = (uint32_t)tree->count;
    tree->nodes[tree->count] = *frame;
    return (uint32_t)tree->count++;
}

void frame_tree_free(FrameTree *tree) {
    free(tree->nodes);
    free(tree->places);
    *tree = (FrameTree){0};
}
