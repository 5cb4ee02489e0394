// The most that is live at once, mapped files included. It is counted as memray counts it, so that both agree to the byte: of
// mappings that overlap an unmapping ends each.
#include "capture.h"

#include <stdlib.h>

static bool add_range(Peak *peak, uint64_t start, uint64_t end) {
    if (peak->count == peak->capacity) {
        size_t capacity = peak->capacity ? peak->capacity * 2 : 256;
        Range *ranges = realloc(peak->ranges, capacity * sizeof *ranges);
        if (!ranges) return false;
        peak->ranges = ranges;
        peak->capacity = capacity;
    }
    peak->ranges[peak->count++] = (Range){start, end};
    return true;
}

bool peak_map(Peak *peak, uint64_t address, uint64_t size) {
    peak_add(peak, size);
    return !size || add_range(peak, address, address + size);
}

bool peak_unmap(Peak *peak, uint64_t start, uint64_t size) {
    uint64_t end = start + size;
    size_t kept = 0, count = peak->count;
    for (size_t place = 0; place < count; place++) {
        Range range = peak->ranges[place];
        uint64_t first = range.start > start ? range.start : start;
        uint64_t last = range.end < end ? range.end : end;
        if (last <= first) {
            peak->ranges[kept++] = range;
            continue;
        }
        peak->now -= last - first;
        bool head = range.start < first, tail = last < range.end;
        if (head) peak->ranges[kept++] = (Range){range.start, first};
        if (tail && !head) peak->ranges[kept++] = (Range){last, range.end};
        if (tail && head && !add_range(peak, last, range.end)) return false;
    }
    // What was split off lies behind the old end.
    for (size_t place = count; place < peak->count; place++) peak->ranges[kept++] = peak->ranges[place];
    peak->count = kept;
    return true;
}

void peak_clear(Peak *peak) {
    free(peak->ranges);
    *peak = (Peak){0};
}
