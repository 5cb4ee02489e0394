// Bytes that are added to one after the other.
#include "capture.h"

#include <stdlib.h>
#include <string.h>

void bytes_add(Bytes *bytes, const void *more, size_t size) {
    if (!size) return;
    if (size > bytes->capacity - bytes->size) {
        size_t capacity = (bytes->capacity + size) * 2;
        uint8_t *larger = realloc(bytes->bytes, capacity);
        if (!larger) {
            bytes->failed = true;
            return;
        }
        bytes->bytes = larger;
        bytes->capacity = capacity;
    }
    memcpy(bytes->bytes + bytes->size, more, size);
    bytes->size += size;
}
