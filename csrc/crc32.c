// The checksum of frames: CRC-32 as in zlib, eight bytes at a time with a table for each.
#include "edges.h"

#include <string.h>

static uint32_t tables[8][256];

void crc32_prepare(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? 0xEDB88320u : 0);
        tables[0][byte] = sum;
    }
    for (int at = 1; at < 8; at++)
        for (int byte = 0; byte < 256; byte++)
            tables[at][byte] = (tables[at - 1][byte] >> 8) ^ tables[0][tables[at - 1][byte] & 255];
}

uint32_t crc32_of(const uint8_t *bytes, size_t size) {
    uint32_t sum = ~0u;
    for (; size >= 8; bytes += 8, size -= 8) {
        uint64_t next;
        memcpy(&next, bytes, 8);  // both platforms are little-endian
        next ^= sum;
        sum = 0;
        for (int at = 0; at < 8; at++) sum ^= tables[7 - at][next >> (8 * at) & 255];
    }
    while (size--) sum = (sum >> 8) ^ tables[0][(sum ^ *bytes++) & 255];
    return ~sum;
}
