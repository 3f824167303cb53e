#include "track/memory_bank.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { FREE = -1 };

static int32_t most(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static buffer_kind kind_of_memory(const memory_bank *bank)
{
    return bank->shape.memory_bf16 ? BUFFER_DEVICE_BF16 : BUFFER_DEVICE;
}

static memory_place pointer_place(const memory_bank *bank, size_t index)
{
    return (memory_place){bank->all_pointers, index * (size_t)bank->shape.pointer_floats};
}

static roto_status make_places(memory_bank *bank)
{
    const memory_bank_shape *s = &bank->shape;
    const size_t n_recent = (size_t)bank->n_recent, n_pointers = (size_t)bank->n_pointers,
                 n_conditioning = (size_t)(s->max_conditioning + s->max_anchors),
                 memory_floats = (size_t)s->memory_floats;
    ROTO_TRY(bank->table->buffer_new(bank->backend, kind_of_memory(bank), n_recent * memory_floats,
                                     &bank->memories));
    ROTO_TRY(bank->table->buffer_new(bank->backend, BUFFER_DEVICE,
                                     (n_pointers + n_conditioning) * (size_t)s->pointer_floats,
                                     &bank->all_pointers));
    for (size_t i = 0; i < n_recent; i++)
        bank->recent[i].memory = (memory_place){bank->memories, i * memory_floats};
    for (size_t i = 0; i < n_pointers; i++)
        bank->pointers[i].pointer = pointer_place(bank, i);
    for (size_t i = 0; i < n_conditioning; i++)
        bank->conditioning[i].pointer = pointer_place(bank, n_pointers + i);
    if (s->n_cells == 0)
        return ROTO_OK;
    bank->cells = memory_new_array(n_recent, (size_t)s->n_cells);
    if (!bank->cells)
        return ROTO_ERROR_MEMORY;
    for (size_t i = 0; i < n_recent; i++)
        bank->recent[i].cells = bank->cells + i * (size_t)s->n_cells;
    return ROTO_OK;
}

roto_status memory_bank_init(memory_bank *bank, const memory_bank_shape *shape,
                             const backend_table *table, backend *b)
{
    *bank = (memory_bank){.shape = *shape, .table = table, .backend = b};
    if (shape->num_maskmem < 2 || shape->num_maskmem > MEMORY_BANK_MAX_SPATIAL ||
        shape->max_pointers < 2 || shape->max_pointers > MEMORY_BANK_MAX_POINTERS ||
        shape->max_conditioning < 1 || shape->max_anchors < 0 ||
        shape->max_conditioning + shape->max_anchors > MEMORY_BANK_MAX_CONDITIONING ||
        (shape->selective &&
         (shape->max_recent < 1 || shape->max_recent >= shape->num_maskmem || shape->interval < 1)))
        return roto_fail(ROTO_ERROR_INTERNAL, "memory bank: sizes out of range");
    /* What a frame and the next one need: the frame before, the frame, and of every stride-th
     * frames one more than a single frame sees. */
    bank->n_recent = most(shape->num_maskmem + 1, shape->n_kept);
    bank->n_pointers = most(shape->max_pointers, shape->n_kept);
    bank->recent = memory_new_array((size_t)bank->n_recent, sizeof(*bank->recent));
    bank->pointers = memory_new_array((size_t)bank->n_pointers, sizeof(*bank->pointers));
    const roto_status status =
        bank->recent && bank->pointers ? make_places(bank) : ROTO_ERROR_MEMORY;
    if (status != ROTO_OK) {
        memory_bank_free(bank);
        return status;
    }
    memory_bank_clear(bank);
    return ROTO_OK;
}

void memory_bank_free(memory_bank *bank)
{
    for (int i = 0; i < MEMORY_BANK_MAX_CONDITIONING && bank->table; i++) {
        bank->table->buffer_free(bank->conditioning[i].memory.in);
        free(bank->conditioning[i].mask);
    }
    free(bank->recent);
    free(bank->pointers);
    if (bank->table) {
        bank->table->buffer_free(bank->memories);
        bank->table->buffer_free(bank->all_pointers);
    }
    free(bank->cells);
    *bank = (memory_bank){0};
}

void memory_bank_clear(memory_bank *bank)
{
    bank->n_conditioning = 0;
    for (int32_t i = 0; i < bank->n_recent; i++)
        bank->recent[i].frame = FREE;
    for (int32_t i = 0; i < bank->n_pointers; i++)
        bank->pointers[i].frame = FREE;
}

static int32_t count_anchors(const memory_bank *bank)
{
    int32_t n = 0;
    for (int32_t i = 0; i < bank->n_conditioning; i++)
        n += bank->conditioning[i].anchor;
    return n;
}

roto_status memory_bank_reserve(memory_bank *bank, int32_t n)
{
    const memory_bank_shape *s = &bank->shape;
    const int32_t n_slots = s->max_conditioning + s->max_anchors;
    n += s->max_anchors - count_anchors(bank);
    for (int32_t i = bank->n_conditioning; n > 0 && i < n_slots; i++, n--) {
        conditioning_slot *slot = &bank->conditioning[i];
        if (!slot->mask)
            slot->mask = memory_new_array((size_t)s->mask_floats, sizeof(float));
        if (!slot->mask)
            return ROTO_ERROR_MEMORY;
        if (!slot->memory.in)
            ROTO_TRY(bank->table->buffer_new(bank->backend, kind_of_memory(bank),
                                             (size_t)s->memory_floats, &slot->memory.in));
    }
    return ROTO_OK;
}

static int64_t distance(int64_t a, int64_t b)
{
    return a < b ? b - a : a - b;
}

static void forget_tracked(memory_bank *bank, int64_t frame)
{
    for (int32_t i = 0; i < bank->n_recent; i++) {
        if (bank->recent[i].frame == frame)
            bank->recent[i].frame = FREE;
    }
    for (int32_t i = 0; i < bank->n_pointers; i++) {
        if (bank->pointers[i].frame == frame)
            bank->pointers[i].frame = FREE;
    }
}

/* Slot 0 holds the first prompt, the one that started the object, and is kept. */
static int32_t farthest(const memory_bank *bank, int64_t frame)
{
    int32_t far = 0;
    for (int32_t i = 1; i < bank->n_conditioning; i++) {
        const conditioning_slot *slot = &bank->conditioning[i];
        if (!slot->anchor && (far == 0 || distance(slot->frame, frame) >
                                              distance(bank->conditioning[far].frame, frame)))
            far = i;
    }
    return far;
}

conditioning_slot *memory_bank_condition(memory_bank *bank, int64_t frame)
{
    forget_tracked(bank, frame);
    for (int32_t i = 0; i < bank->n_conditioning; i++) {
        if (bank->conditioning[i].frame == frame) {
            bank->conditioning[i].anchor = false;
            return &bank->conditioning[i];
        }
    }
    const bool full = bank->n_conditioning - count_anchors(bank) >= bank->shape.max_conditioning ||
                      bank->n_conditioning == MEMORY_BANK_MAX_CONDITIONING ||
                      !bank->conditioning[bank->n_conditioning].memory.in;
    conditioning_slot *slot =
        &bank->conditioning[full ? farthest(bank, frame) : bank->n_conditioning++];
    slot->frame = frame;
    slot->anchor = false;
    return slot;
}

const conditioning_slot *memory_bank_find(const memory_bank *bank, int64_t frame)
{
    for (int32_t i = 0; i < bank->n_conditioning; i++) {
        if (bank->conditioning[i].frame == frame && !bank->conditioning[i].anchor)
            return &bank->conditioning[i];
    }
    return NULL;
}

static int64_t floor_multiple(int64_t value, int64_t step)
{
    const int64_t rest = value % step;
    return value - (rest < 0 ? rest + step : rest);
}

/* The frame whose memory is `back` steps back (1: the last frame). Official rule: memories from 2
 * on are the nearest frames beyond the last one whose number is a multiple of the stride. */
static int64_t frame_back(const memory_bank *bank, int64_t frame, int direction, int32_t back)
{
    const int64_t stride = bank->shape.temporal_stride;
    if (back == 1)
        return frame - direction;
    const int64_t nearest = direction > 0 ? floor_multiple(frame - 2, stride)
                                          : floor_multiple(frame + 2 + stride - 1, stride);
    return nearest - direction * (back - 2) * stride;
}

static bool needed(const memory_bank *bank, int64_t candidate, int64_t frame, int direction)
{
    for (int32_t back = 1; back < bank->shape.num_maskmem; back++) {
        if (candidate == frame_back(bank, frame, direction, back) ||
            candidate == frame_back(bank, frame + direction, direction, back))
            return true;
    }
    return false;
}

memory_slot *memory_bank_memory(memory_bank *bank, int64_t frame, int direction)
{
    if (bank->shape.selective)
        return memory_select_slot(bank, frame, direction);
    memory_slot *chosen = NULL;
    bool chosen_needed = true;
    for (int32_t i = 0; i < bank->n_recent; i++) {
        memory_slot *slot = &bank->recent[i];
        if (slot->frame == frame)
            return slot;
        if (slot->frame == FREE) {
            if (!chosen || chosen->frame != FREE)
                chosen = slot;
            continue;
        }
        if (chosen && chosen->frame == FREE)
            continue;
        const bool is_needed = needed(bank, slot->frame, frame, direction);
        if (!chosen || (chosen_needed && !is_needed) ||
            (chosen_needed == is_needed &&
             distance(slot->frame, frame) > distance(chosen->frame, frame))) {
            chosen = slot;
            chosen_needed = is_needed;
        }
    }
    chosen->frame = frame;
    return chosen;
}

pointer_slot *memory_bank_pointer(memory_bank *bank, int64_t frame)
{
    pointer_slot *slot = &bank->pointers[frame % bank->n_pointers];
    slot->frame = frame;
    return slot;
}

static const memory_slot *recent_of(const memory_bank *bank, int64_t frame)
{
    for (int32_t i = 0; frame >= 0 && i < bank->n_recent; i++) {
        if (bank->recent[i].frame == frame)
            return &bank->recent[i];
    }
    return NULL;
}

memory_view memory_bank_look(const memory_bank *bank, int64_t frame, int direction)
{
    memory_view view = {0};
    for (int32_t i = 0; i < bank->n_conditioning; i++) {
        if (bank->conditioning[i].frame != frame && !bank->conditioning[i].anchor)
            view.conditioning[view.n_conditioning++] = &bank->conditioning[i];
    }
    memory_select_nearest(&view, frame, bank->shape.max_cond_frames);
    for (int32_t i = 0; i < bank->n_conditioning; i++) {
        if (bank->conditioning[i].frame != frame && bank->conditioning[i].anchor)
            view.conditioning[view.n_conditioning++] = &bank->conditioning[i];
    }
    if (bank->shape.selective)
        memory_select_look(bank, frame, direction, &view);
    for (int32_t back = 1; back < bank->shape.num_maskmem && !bank->shape.selective; back++)
        view.recent[back - 1] = recent_of(bank, frame_back(bank, frame, direction, back));
    for (int32_t age = 1; age < bank->shape.max_pointers; age++) {
        const int64_t then = frame - (int64_t)direction * age;
        if (then < 0)
            break;
        const pointer_slot *slot = &bank->pointers[then % bank->n_pointers];
        if (slot->frame != then)
            continue;
        view.pointers[view.n_pointers].age = age;
        view.pointers[view.n_pointers++].pointer = slot->pointer;
    }
    return view;
}
