// Code objects by value: what a reader needs to name their lines, copied once and known by a number from then on.
#include "rss_watch.h"

#ifdef HAS_RSS_WATCH

#include <stdlib.h>
#include <string.h>

enum { MOST = 2048, SLOTS = 2 * MOST, MOST_TEXT = 512, MOST_TABLE = 1 << 16 };

typedef struct {
    int kind;
    uint32_t length;  // in characters
    char *data;
} Text;

typedef struct {
    CodeHead head;
    Text name, file;
    char *table;
    uint32_t table_size;
} Copy;

struct CodeCopies {
    uint16_t slots[SLOTS];  // numbers of copies, 0 for none
    uint32_t count, taken;
    Copy copies[MOST];
};

CodeCopies *code_copies_new(void) { return calloc(1, sizeof(CodeCopies)); }

static void forget_data(Copy *copy) {
    free(copy->name.data);
    free(copy->file.data);
    free(copy->table);
    copy->name.data = copy->file.data = copy->table = NULL;
}

void code_copies_free(CodeCopies *copies) {
    if (!copies) return;
    for (uint32_t at = 0; at < copies->count; at++) forget_data(&copies->copies[at]);
    free(copies);
}

void code_copies_clear_if_full(CodeCopies *copies) {
    if (copies->count < MOST) return;
    for (uint32_t at = 0; at < copies->count; at++) forget_data(&copies->copies[at]);
    memset(copies->slots, 0, sizeof copies->slots);
    copies->count = copies->taken = 0;
}

static void *copy_of(uintptr_t address, size_t size) {
    void *data = malloc(size ? size : 1);
    if (data && size && !read_memory(address, data, size)) {
        free(data);
        return NULL;
    }
    return data;
}

// Copies a string; of a long one, the end.
static bool copy_text(uintptr_t address, Text *text) {
    PyCompactUnicodeObject head;
    memset(&head, 0, sizeof head);
    PyASCIIObject *base = &head._base;
    if (!read_memory(address, base, sizeof *base) || !PyUnicode_CheckExact((PyObject *)base)) return false;
    if (!base->state.compact || base->length < 0) return false;
    size_t start = base->state.ascii ? sizeof(PyASCIIObject) : sizeof(PyCompactUnicodeObject);
    size_t length = (size_t)base->length, skipped = length > MOST_TEXT ? length - MOST_TEXT : 0;
    text->kind = base->state.kind;
    if (text->kind != PyUnicode_1BYTE_KIND && text->kind != PyUnicode_2BYTE_KIND && text->kind != PyUnicode_4BYTE_KIND)
        return false;
    text->length = (uint32_t)(length - skipped);
    size_t width = (size_t)text->kind;
    text->data = copy_of(address + start + skipped * width, text->length * width);
    return text->data;
}

static bool copy_table(uintptr_t address, Copy *copy) {
    PyBytesObject head;
    if (!read_memory(address, &head, offsetof(PyBytesObject, ob_sval)) || !PyBytes_CheckExact((PyObject *)&head)) return false;
    if (Py_SIZE(&head) < 0 || Py_SIZE(&head) > MOST_TABLE) return false;
    copy->table_size = (uint32_t)Py_SIZE(&head);
    copy->table = copy_of(address + offsetof(PyBytesObject, ob_sval), copy->table_size);
    return copy->table;
}

bool code_heads_are_same(const CodeHead *one, const CodeHead *other) {
    return one->code == other->code && one->name == other->name && one->file == other->file &&
           one->lines == other->lines && one->first_line == other->first_line && one->end == other->end;
}

static uint32_t first_slot(const CodeHead *head) { return (uint32_t)(head->code >> 4) * 2654435769u % SLOTS; }

uint32_t code_copies_number(CodeCopies *copies, const CodeHead *head) {
    uint32_t slot = first_slot(head);
    while (copies->slots[slot]) {
        if (code_heads_are_same(&copies->copies[copies->slots[slot] - 1].head, head)) return copies->slots[slot];
        slot = (slot + 1) % SLOTS;
    }
    if (copies->count >= MOST) return 0;
    Copy copy = {.head = *head};
    if (!copy_text(head->name, &copy.name) || !copy_text(head->file, &copy.file) || !copy_table(head->lines, &copy)) {
        forget_data(&copy);
        return 0;
    }
    copies->copies[copies->count++] = copy;
    return copies->slots[slot] = (uint16_t)copies->count;
}

uint32_t code_copies_count(const CodeCopies *copies) { return copies->count; }

void code_copies_forget(CodeCopies *copies, uint32_t kept) {
    for (; copies->count > kept; copies->count--) {  // the latest first: no other copy was put behind it
        Copy *copy = &copies->copies[copies->count - 1];
        uint32_t slot = first_slot(&copy->head);
        while (copies->slots[slot] != copies->count) slot = (slot + 1) % SLOTS;
        copies->slots[slot] = 0;
        forget_data(copy);
    }
}

static PyObject *text_of(const Text *text) { return PyUnicode_FromKindAndData(text->kind, text->data, text->length); }

PyObject *code_copies_take_new(CodeCopies *copies, uint32_t *known) {
    *known = copies->taken;
    PyObject *list = PyList_New(0);
    for (; list && copies->taken < copies->count; copies->taken++) {
        Copy *copy = &copies->copies[copies->taken];
        PyObject *code = Py_BuildValue("nNNiy#", (Py_ssize_t)copy->head.code, text_of(&copy->name), text_of(&copy->file), copy->head.first_line,
                                       copy->table, (Py_ssize_t)copy->table_size);
        if (!code || PyList_Append(list, code)) Py_CLEAR(list);
        Py_XDECREF(code);
        if (list) forget_data(copy);
    }
    return list;
}

#endif
