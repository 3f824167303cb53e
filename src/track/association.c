#include "track/association.h"

#include <math.h>

float box_iou(const roto_box *a, const roto_box *b)
{
    double width = fmin(a->x1, b->x1) - fmax(a->x0, b->x0);
    double height = fmin(a->y1, b->y1) - fmax(a->y0, b->y0);
    if (width <= 0 || height <= 0)
        return 0;
    double area_a = ((double)a->x1 - a->x0) * ((double)a->y1 - a->y0);
    double area_b = ((double)b->x1 - b->x0) * ((double)b->y1 - b->y0);
    return (float)(width * height / (area_a + area_b - width * height));
}

float box_momentum(const roto_box *earlier, const roto_box *latest, const roto_box *detection)
{
    /* Twice the way between the centres; only the direction counts. */
    double ax = ((double)latest->x0 + latest->x1) - ((double)earlier->x0 + earlier->x1);
    double ay = ((double)latest->y0 + latest->y1) - ((double)earlier->y0 + earlier->y1);
    double bx = ((double)detection->x0 + detection->x1) - ((double)earlier->x0 + earlier->x1);
    double by = ((double)detection->y0 + detection->y1) - ((double)earlier->y0 + earlier->y1);
    double lengths = sqrt((ax * ax + ay * ay) * (bx * bx + by * by));
    if (!(lengths > 0))
        return 0;
    double cosine = fmax(-1, fmin(1, (ax * bx + ay * by) / lengths));
    return (float)(0.5 - acos(cosine) / M_PI);
}
