// The mapped file that the tables are in. A kill at any instruction leaves a readable state: an entry is complete
// before `used` covers it, and fields that change later are single words.
//
// Space is reserved before it is written to, window by window, so a full disk is an error here and never a SIGBUS.
// The address range is mapped for good: after the file is let go, late writers reach memory that nobody reads.
#include "heap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW (256u * 1024)

static char *base;
static uint64_t end;       // of the appended entries, those not committed yet included
static uint64_t reserved;  // bytes that can be written to
static int descriptor = -1;
static dev_t device;  // of the file; with the next, tells whether the descriptor is still ours
static ino_t inode;
static volatile sig_atomic_t is_lost;  // another program has truncated the file

FileHeader *file_header(void) { return (FileHeader *)base; }

void *file_at(uint32_t offset) { return base + (uint64_t)offset * 8; }

bool file_has(const void *entry) {
    return (const char *)entry >= base && (const char *)entry < base + end;
}

// A program may close descriptors that it did not open (a daemon does), and open files of its own by their numbers.
static bool descriptor_is_ours(void) {
    struct stat status;
    return descriptor >= 0 && !fstat(descriptor, &status) && status.st_dev == device && status.st_ino == inode;
}

static int reserve(uint64_t size) {
    while (reserved < size) {
        if (reserved + WINDOW > FILE_LIMIT) return ENOSPC;
        if (descriptor >= 0) {
            if (!descriptor_is_ours()) return EBADF;
            int error;
            do error = posix_fallocate(descriptor, (off_t)reserved, WINDOW);
            while (error == EINTR);
            if (error) return error;
        }
        reserved += WINDOW;
    }
    return 0;
}

static int map_file(const char *path) {
    unlink(path);  // an old one may still be mapped by another process
    int made = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made < 0) return errno;
    int high = fcntl(made, F_DUPFD_CLOEXEC, 512);  // out of the way of what the program opens and closes
    if (high >= 0) {
        close(made);
        made = high;
    }
    struct stat status;
    if (fstat(made, &status)) {
        close(made);
        return EBADF;
    }
    device = status.st_dev;
    inode = status.st_ino;
    descriptor = made;
    int error = reserve(WINDOW);
    if (!error && mmap(base, FILE_LIMIT, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, made, 0) == MAP_FAILED)
        error = errno;
    if (error) {
        close(made);
        unlink(path);
        descriptor = -1;
        reserved = 0;
    }
    return error;
}

static int map_memory(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (base ? MAP_FIXED : 0);
    void *mapped = mmap(base, FILE_LIMIT, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (mapped == MAP_FAILED) return errno;
    base = mapped;
    return 0;
}

int file_open(const char *path) {
    end = reserved = 0;
    is_lost = 0;
    int error = map_memory();
    if (error) return error;
    if (path) error = map_file(path);
    if (reserve(sizeof(FileHeader))) return ENOSPC;
    FileHeader *header = file_header();
    memset(header, 0, sizeof *header);
    header->version = 1;
    header->byte_order = 0x01020304;
    header->pid = (uint32_t)getpid();
    header->used = end = (sizeof *header + 7) & ~(uint64_t)7;
    memcpy(header->magic, "fwmheap\n", 8);
    return error;
}

void *file_append(uint16_t kind, size_t size) {
    uint64_t rounded = (size + 7) & ~(uint64_t)7;
    FileHeader *header = file_header();
    bool small = kind == ENTRY_PHASE || kind == ENTRY_LIBRARY;  // there is always room for these
    if (!small && (header->full || end + rounded > FILE_LIMIT - FILE_SPARE)) {
        header->full = 1;
        return NULL;
    }
    if (reserve(end + rounded)) {
        header->full = 1;
        return NULL;
    }
    EntryHead *head = (EntryHead *)(base + end);
    memset(head, 0, rounded);
    head->size = (uint32_t)rounded;
    head->kind = kind;
    end += rounded;
    return head;
}

uint32_t file_commit(void *entry) {
    uint64_t after = (uint64_t)((char *)entry - base) + ((EntryHead *)entry)->size;
    __atomic_store_n(&file_header()->used, after, __ATOMIC_RELEASE);
    return (uint32_t)(((char *)entry - base) / 8);
}

// Called in the handler of SIGBUS. All of the file is replaced: what is left of it would not fit together.
bool file_lost_at(const void *address) {
    if (!base || (const char *)address < base || (const char *)address >= base + FILE_LIMIT) return false;
    is_lost = 1;
    tables_end();
    return !map_memory();
}

bool file_is_lost(void) { return is_lost; }

void file_leave(void) {
    if (!base) return;
    map_memory();
    if (descriptor_is_ours()) close(descriptor);
    descriptor = -1;
    end = reserved = 0;
}
