// The most that is live at once, mapped files included, and what is mapped. It is counted as memray counts it, so that both
// agree to the byte: where mappings overlap, unmapping a range removes it from each of them.
#include "capture.h"

#include <stdlib.h>
#include <string.h>

// The place of the first range that starts at an address or behind it.
static size_t first_from(const Peak *peak, uint64_t address) {
    size_t low = 0, high = peak->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (peak->ranges[middle].start < address) low = middle + 1;
        else high = middle;
    }
    return low;
}

// The place of the first range that may reach beyond an address. Where no range starts within another one, that is the last
// to start before it; else it may be any that starts less than `reach` before it.
static size_t first_beyond(const Peak *peak, uint64_t address) {
    size_t place = first_from(peak, address);
    if (place) place--;
    if (!peak->reach) return place;
    size_t reaching = first_from(peak, peak->reach < address ? address - peak->reach : 0);
    return reaching < place ? reaching : place;
}

static bool add_range(Peak *peak, uint64_t start, uint64_t end) {
    if (peak->count == peak->capacity) {
        size_t capacity = peak->capacity ? peak->capacity * 2 : 256;
        Range *ranges = realloc(peak->ranges, capacity * sizeof *ranges);
        if (!ranges) return false;
        peak->ranges = ranges;
        peak->capacity = capacity;
    }
    size_t place = first_from(peak, start);
    Range *at = &peak->ranges[place];
    uint64_t before = place && at[-1].end > start ? at[-1].end - at[-1].start : 0;
    uint64_t around = place < peak->count && at->start < end ? end - start : 0;
    if (before > peak->reach) peak->reach = before;
    if (around > peak->reach) peak->reach = around;
    memmove(at + 1, at, (peak->count++ - place) * sizeof *at);
    *at = (Range){start, end};
    return true;
}

bool peak_map(Peak *peak, uint64_t address, uint64_t size) {
    peak_add(peak, size);
    return !size || add_range(peak, address, address + size);
}

bool peak_unmap(Peak *peak, uint64_t start, uint64_t size) {
    uint64_t end = start + size;
    for (size_t place = first_beyond(peak, start); place < peak->count && peak->ranges[place].start < end;) {
        Range range = peak->ranges[place];
        if (range.end <= start) {
            place++;
            continue;
        }
        peak->now -= (range.end < end ? range.end : end) - (range.start > start ? range.start : start);
        if (range.start < start) {
            peak->ranges[place++].end = start;
        } else {
            peak->count--;
            memmove(&peak->ranges[place], &peak->ranges[place + 1], (peak->count - place) * sizeof range);
        }
        if (end < range.end && !add_range(peak, end, range.end)) return false;
    }
    return true;
}

bool peak_touches(const Peak *peak, uint64_t start, uint64_t size) {
    uint64_t end = start + size;
    for (size_t place = first_beyond(peak, start); place < peak->count && peak->ranges[place].start < end; place++)
        if (peak->ranges[place].end > start) return true;
    return false;
}

void peak_clear(Peak *peak) {
    free(peak->ranges);
    *peak = (Peak){0};
}
