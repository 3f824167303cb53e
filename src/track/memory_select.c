/* Which frames of an object's past are kept and seen where that is told by what was seen in them,
 * not by their numbers alone. */
#include "track/memory_bank.h"

static int64_t distance(int64_t a, int64_t b)
{
    return a < b ? b - a : a - b;
}

/* ---- tracked frames ---------------------------------------------------------------------------
 */

memory_slot *memory_select_slot(memory_bank *bank, int64_t frame, int direction)
{
    memory_slot *farthest = NULL, *spare = NULL;
    for (int32_t i = 0; i < bank->n_recent; i++) {
        memory_slot *slot = &bank->recent[i];
        if (slot->frame == frame)
            return slot;
        /* The frame before is seen again when this one is corrected. */
        if (slot->frame < 0 || (!slot->kept && slot->frame != frame - direction))
            spare = slot;
        if (!farthest || distance(slot->frame, frame) > distance(farthest->frame, frame))
            farthest = slot;
    }
    memory_slot *chosen = spare ? spare : farthest;
    chosen->frame = frame;
    return chosen;
}

void memory_select_judge(memory_bank *bank, memory_slot *slot, bool recent, bool worthy)
{
    slot->recent = recent;
    slot->kept = worthy;
    for (int32_t i = 0; i < bank->n_recent; i++) {
        const memory_slot *other = &bank->recent[i];
        if (other != slot && other->frame >= 0 && other->kept &&
            distance(other->frame, slot->frame) < bank->shape.interval)
            slot->kept = false;
    }
}

/* The kept slot nearest to `frame` in its past and farther away than `beyond`. */
static const memory_slot *next_kept(const memory_bank *bank, int64_t frame, int direction,
                                    int64_t beyond)
{
    const memory_slot *nearest = NULL;
    for (int32_t i = 0; i < bank->n_recent; i++) {
        const memory_slot *slot = &bank->recent[i];
        const int64_t age = direction * (frame - slot->frame);
        if (slot->frame < 0 || !slot->kept || age <= beyond)
            continue;
        if (!nearest || age < direction * (frame - nearest->frame))
            nearest = slot;
    }
    return nearest;
}

void memory_select_look(const memory_bank *bank, int64_t frame, int direction, memory_view *view)
{
    int32_t n = 0;
    int64_t beyond = 0;
    for (int32_t i = 0; i < bank->n_recent; i++) {
        const memory_slot *slot = &bank->recent[i];
        if (slot->frame < 0 || slot->frame != frame - direction || !slot->recent)
            continue;
        view->recent[n++] = slot;
        beyond = 1;
    }
    while (n < bank->shape.max_recent) {
        const memory_slot *slot = next_kept(bank, frame, direction, beyond);
        if (!slot)
            break;
        view->recent[n++] = slot;
        beyond = direction * (frame - slot->frame);
    }
}

/* ---- prompted frames and anchors --------------------------------------------------------------
 */

conditioning_slot *memory_select_anchor(memory_bank *bank, int64_t frame)
{
    conditioning_slot *oldest = NULL;
    int32_t n_anchors = 0;
    for (int32_t i = 0; i < bank->n_conditioning; i++) {
        conditioning_slot *slot = &bank->conditioning[i];
        if (slot->frame == frame)
            return slot->anchor ? slot : NULL;
        if (!slot->anchor)
            continue;
        n_anchors++;
        if (!oldest || distance(slot->frame, frame) > distance(oldest->frame, frame))
            oldest = slot;
    }
    if (n_anchors == bank->shape.max_anchors) {
        if (oldest)
            oldest->frame = frame;
        return oldest;
    }
    conditioning_slot *slot = &bank->conditioning[bank->n_conditioning];
    if (!slot->mask)
        return NULL;
    bank->n_conditioning++;
    slot->frame = frame;
    slot->anchor = true;
    return slot;
}

/* Moves the slot at `at` to the front, the others stay in order. */
static void to_front(const conditioning_slot **slots, int32_t front, int32_t at)
{
    const conditioning_slot *slot = slots[at];
    for (; at > front; at--)
        slots[at] = slots[at - 1];
    slots[front] = slot;
}

void memory_select_nearest(memory_view *view, int64_t frame, int32_t most)
{
    const conditioning_slot **slots = view->conditioning;
    const int32_t n = view->n_conditioning;
    if (most == 0 || n <= most)
        return;
    int32_t before = -1, after = -1;
    for (int32_t i = 0; i < n; i++) {
        if (slots[i]->frame < frame && (before < 0 || slots[i]->frame > slots[before]->frame))
            before = i;
        if (slots[i]->frame > frame && (after < 0 || slots[i]->frame < slots[after]->frame))
            after = i;
    }
    int32_t n_chosen = 0;
    if (before >= 0)
        to_front(slots, n_chosen++, before);
    if (after >= 0)
        to_front(slots, n_chosen++, after > before ? after : after + (before >= 0));
    for (; n_chosen < most; n_chosen++) {
        int32_t nearest = n_chosen;
        for (int32_t i = n_chosen + 1; i < n; i++)
            if (distance(slots[i]->frame, frame) < distance(slots[nearest]->frame, frame))
                nearest = i;
        to_front(slots, n_chosen, nearest);
    }
    view->n_conditioning = most;
}
