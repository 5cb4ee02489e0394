// The bytes of a capture. memray compresses it when it is complete, as one LZ4 frame without checksums; the format is
// documented in lz4's doc/lz4_Frame_format.md and doc/lz4_Block_format.md.
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 64 << 10, FIRST_CAPACITY = 1 << 20, LARGEST_RECORD = 32 << 20 };

static bool read_all(int fd, uint8_t *bytes, size_t size, size_t *got) {
    for (*got = 0; *got < size;) {
        ssize_t count = read(fd, bytes + *got, size - *got);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        if (!count) break;
        *got += (size_t)count;
    }
    return true;
}

static bool read_exactly(int fd, void *bytes, size_t size) {
    size_t got;
    return read_all(fd, bytes, size, &got) && got == size;
}

static bool read_frame_header(Stream *stream) {
    uint8_t header[3];
    if (!read_exactly(stream->fd, header, sizeof header)) return false;
    unsigned int kind = (header[1] >> 4) & 7;
    if ((header[0] & ~0x20u) != 0x40 || header[1] & 0x8f || kind < 4) return false;
    stream->block_capacity = (size_t)1 << (8 + 2 * kind);
    stream->block = malloc(stream->block_capacity);
    return true;
}

Outcome stream_open(Stream *stream, const char *path) {
    *stream = (Stream){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat status;
    if (stream->fd < 0 || fstat(stream->fd, &status) || !S_ISREG(status.st_mode)) return CAPTURE_ODD;
    uint8_t magic[4];
    if (!read_exactly(stream->fd, magic, sizeof magic)) return CAPTURE_ODD;
    stream->compressed = !memcmp(magic, "\x04\x22\x4d\x18", sizeof magic);
    if (!stream->compressed && lseek(stream->fd, 0, SEEK_SET)) return CAPTURE_ODD;
    if (stream->compressed && !read_frame_header(stream)) return CAPTURE_ODD;
    stream->capacity = FIRST_CAPACITY + WINDOW + stream->block_capacity;
    stream->bytes = malloc(stream->capacity);
    return stream->bytes && (stream->block || !stream->compressed) ? CAPTURE_OK : CAPTURE_NO_MEMORY;
}

static bool read_length(const uint8_t **in, const uint8_t *in_end, size_t *length) {
    uint8_t byte = 255;
    while (byte == 255) {
        if (*in == in_end) return false;
        byte = *(*in)++;
        *length += byte;
    }
    return true;
}

// Decodes a block to the end of what is there; `room` is how much it may add.
static bool decode(Stream *stream, const uint8_t *in, size_t size, size_t room) {
    const uint8_t *in_end = in + size;
    uint8_t *out = stream->bytes + stream->end, *out_end = out + room;
    while (in < in_end) {
        unsigned int token = *in++;
        size_t literals = token >> 4;
        if (literals == 15 && !read_length(&in, in_end, &literals)) return false;
        if (literals > (size_t)(in_end - in) || literals > (size_t)(out_end - out)) return false;
        memcpy(out, in, literals);
        in += literals;
        out += literals;
        if (in == in_end) break;  // the last sequence has no match
        if (in_end - in < 2) return false;
        size_t distance = in[0] | (size_t)in[1] << 8, length = token & 15;
        in += 2;
        if (length == 15 && !read_length(&in, in_end, &length)) return false;
        length += 4;
        if (!distance || distance > (size_t)(out - stream->bytes) || length > (size_t)(out_end - out)) return false;
        const uint8_t *from = out - distance;
        if (distance >= length) {
            memcpy(out, from, length);
        } else {
            for (size_t byte = 0; byte < length; byte++) out[byte] = from[byte];
        }
        out += length;
    }
    stream->end = (size_t)(out - stream->bytes);
    return true;
}

static Outcome add_block(Stream *stream) {
    uint32_t size;  // little-endian, as this machine is
    if (!read_exactly(stream->fd, &size, sizeof size)) return CAPTURE_ODD;
    bool plain = size >> 31;
    size &= INT32_MAX;
    if (!size) {
        stream->ended = true;
        return CAPTURE_END;
    }
    if (size > stream->block_capacity || !read_exactly(stream->fd, stream->block, size)) return CAPTURE_ODD;
    if (!plain) return decode(stream, stream->block, size, stream->block_capacity) ? CAPTURE_OK : CAPTURE_ODD;
    memcpy(stream->bytes + stream->end, stream->block, size);
    stream->end += size;
    return CAPTURE_OK;
}

Outcome stream_refill(Stream *stream) {
    if (stream->ended) return CAPTURE_END;
    size_t history = stream->compressed ? WINDOW : 0;
    size_t gone = stream->end > history ? stream->end - history : 0;
    if (gone > stream->at) gone = stream->at;
    memmove(stream->bytes, stream->bytes + gone, stream->end - gone);
    stream->at -= gone;
    stream->end -= gone;
    size_t least = stream->compressed ? stream->block_capacity : 1;
    if (stream->capacity - stream->end < least) {
        if (stream->capacity > LARGEST_RECORD) return CAPTURE_ODD;
        uint8_t *larger = realloc(stream->bytes, stream->capacity * 2);
        if (!larger) return CAPTURE_NO_MEMORY;
        stream->bytes = larger;
        stream->capacity *= 2;
    }
    if (!stream->compressed) {
        size_t got;
        if (!read_all(stream->fd, stream->bytes + stream->end, stream->capacity - stream->end, &got)) return CAPTURE_ODD;
        stream->end += got;
        stream->ended = !got;
        return got ? CAPTURE_OK : CAPTURE_END;
    }
    Outcome outcome = CAPTURE_OK;
    size_t before = stream->end;
    while (outcome == CAPTURE_OK && stream->capacity - stream->end >= least) outcome = add_block(stream);
    return outcome == CAPTURE_END && stream->end > before ? CAPTURE_OK : outcome;
}

void stream_close(Stream *stream) {
    if (stream->fd >= 0) close(stream->fd);
    free(stream->bytes);
    free(stream->block);
    *stream = (Stream){.fd = -1};
}
