#include "track/camera.h"

enum { LEAST_OBJECTS = 4 }; /* fewer may be wrong together */

/* The middle one of `n` values (Hoare's selection), which are reordered. qsort() would allocate. */
static float median(float *values, int n)
{
    int low = 0, high = n - 1, middle = n / 2;
    while (low < high) {
        float pivot = values[(low + high) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot)
                i++;
            while (values[j] > pivot)
                j--;
            if (i > j)
                break;
            float moved = values[i];
            values[i++] = values[j];
            values[j--] = moved;
        }
        if (middle <= j)
            high = j;
        else if (middle >= i)
            low = i;
        else
            break;
    }
    return values[middle];
}

bool camera_motion(registry *objects, float *scratch, float *dx, float *dy)
{
    for (int axis = 0; axis < 2; axis++) {
        int n = 0;
        for (int i = 0; i < objects->n_live; i++) {
            const object *o = registry_at(objects, i);
            if (o->missed_frames > 0 || o->n_history < 2)
                continue;
            const roto_box *found = &object_latest(o)->box, *expected = &o->predicted;
            scratch[n++] = axis == 0 ? (found->x0 + found->x1 - expected->x0 - expected->x1) / 2
                                     : (found->y0 + found->y1 - expected->y0 - expected->y1) / 2;
        }
        if (n < LEAST_OBJECTS)
            return false;
        *(axis == 0 ? dx : dy) = median(scratch, n);
    }
    return true;
}
