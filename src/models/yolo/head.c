#include "models/yolo/head.h"

#include "base/error.h"

#include <math.h>

static int64_t values_of(const detector_config *c)
{
    switch (c->head) {
    case HEAD_YOLOV8:
        return 4 + (int64_t)c->n_classes;
    case HEAD_END_TO_END:
        return 6;
    default:
        return 5 + (int64_t)c->n_classes;
    }
}

static int64_t grid_cells(const detector_config *c)
{
    int64_t n = 0;
    for (int32_t i = 0; i < c->n_strides; i++)
        n += (int64_t)(c->width / c->strides[i]) * (c->height / c->strides[i]);
    return n;
}

/* Elements between neighbours along ONNX's dimension `wanted`. */
static int64_t memory_stride(const onnx_port *port, int wanted)
{
    int64_t stride = 1;
    for (int i = port->shape.rank - 1; i >= 0 && port->order[i] != wanted; i--)
        stride *= port->shape.dim[port->order[i]];
    return stride;
}

roto_status detector_head_init(const detector_config *config, const onnx_port *output,
                               detector_head *out)
{
    char text[SHAPE_TEXT_BYTES];
    const int64_t values = values_of(config);
    const tensor_shape *shape = &output->shape;
    /* Exporters differ in which of the two is last. */
    const int last = shape->rank == 3 && shape->dim[2] == values ? 2 : 1;
    if (shape->rank != 3 || shape->dim[0] != 1 || shape->dim[last] != values)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "the output '%s' has the shape %s; a head of this kind with %d classes "
                         "gives [1, n, %lld] or [1, %lld, n]",
                         output->name, shape_text(shape, text), config->n_classes,
                         (long long)values, (long long)values);
    const int64_t n = shape->dim[3 - last];
    if (config->head == HEAD_YOLOX && n != grid_cells(config))
        return roto_fail(ROTO_ERROR_FORMAT,
                         "the output '%s' has %lld predictions; the strides of an input of %d x %d "
                         "make %lld",
                         output->name, (long long)n, config->width, config->height,
                         (long long)grid_cells(config));
    if (n > INT32_MAX)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "the output '%s' has %lld predictions",
                         output->name, (long long)n);
    *out = (detector_head){.config = config,
                           .n = (int32_t)n,
                           .step = memory_stride(output, 3 - last),
                           .stride = memory_stride(output, last)};
    return ROTO_OK;
}

typedef struct decoder {
    const detector_head *head;
    const float *output;
    float min_score;
    const uint8_t *keep;
    candidate *out;
    int32_t n_out;
} decoder;

static void add(decoder *d, int32_t index, roto_box box, float score, int32_t class_id)
{
    if (isnan(box.x0) || isnan(box.y0) || isnan(box.x1) || isnan(box.y1))
        return;
    d->out[d->n_out++] =
        (candidate){.box = box, .score = score, .class_id = class_id, .index = index};
}

static roto_box box_around(float x, float y, float w, float h)
{
    return (roto_box){x - w / 2, y - h / 2, x + w / 2, y + h / 2};
}

/* The best class of one prediction times `objectness`, if it is good enough and kept. */
static bool best_class(const decoder *d, const float *classes, float objectness, float *score,
                       int32_t *class_id)
{
    const int64_t stride = d->head->stride;
    float best = classes[0];
    int32_t at = 0;
    for (int32_t c = 1; c < d->head->config->n_classes; c++) {
        const float value = classes[c * stride];
        if (value > best) {
            best = value;
            at = c;
        }
    }
    *score = best * objectness;
    *class_id = at;
    return *score >= d->min_score && d->keep[at];
}

/* Centres are offsets from the cell, sizes are logarithms, both in units of the stride. */
static void decode_yolox(decoder *d)
{
    const detector_config *c = d->head->config;
    const int64_t stride = d->head->stride;
    const float *p = d->output;
    int32_t index = 0;
    for (int32_t level = 0; level < c->n_strides; level++) {
        const int32_t cell = c->strides[level], columns = c->width / cell, rows = c->height / cell;
        for (int32_t i = 0; i < rows * columns; i++, index++, p += d->head->step) {
            float score;
            int32_t class_id;
            /* Class scores are at most 1: most cells end here. */
            if (!(p[4 * stride] >= d->min_score) ||
                !best_class(d, p + 5 * stride, p[4 * stride], &score, &class_id))
                continue;
            const float size = (float)cell;
            add(d, index,
                box_around((p[0] + (float)(i % columns)) * size,
                           (p[stride] + (float)(i / columns)) * size, expf(p[2 * stride]) * size,
                           expf(p[3 * stride]) * size),
                score, class_id);
        }
    }
}

static void decode_pixels(decoder *d, bool has_objectness)
{
    const int64_t stride = d->head->stride;
    const float *p = d->output;
    for (int32_t i = 0; i < d->head->n; i++, p += d->head->step) {
        const float objectness = has_objectness ? p[4 * stride] : 1;
        float score;
        int32_t class_id;
        if (!(objectness >= d->min_score) ||
            !best_class(d, p + (has_objectness ? 5 : 4) * stride, objectness, &score, &class_id))
            continue;
        add(d, i, box_around(p[0], p[stride], p[2 * stride], p[3 * stride]), score, class_id);
    }
}

static void decode_end_to_end(decoder *d)
{
    const int64_t stride = d->head->stride;
    const float *p = d->output;
    for (int32_t i = 0; i < d->head->n; i++, p += d->head->step) {
        const float score = p[4 * stride], class_id = p[5 * stride];
        if (!(score >= d->min_score) || !(class_id >= 0) ||
            !(class_id < (float)d->head->config->n_classes) || !d->keep[(int32_t)class_id])
            continue;
        add(d, i, (roto_box){p[0], p[stride], p[2 * stride], p[3 * stride]}, score,
            (int32_t)class_id);
    }
}

int32_t detector_head_decode(const detector_head *head, const float *output, float min_score,
                             const uint8_t *keep, candidate *out)
{
    decoder d = {.head = head, .output = output, .min_score = min_score, .keep = keep, .out = out};
    switch (head->config->head) {
    case HEAD_YOLOX:
        decode_yolox(&d);
        break;
    case HEAD_YOLOV5:
        decode_pixels(&d, true);
        break;
    case HEAD_YOLOV8:
        decode_pixels(&d, false);
        break;
    case HEAD_END_TO_END:
        decode_end_to_end(&d);
        break;
    }
    return d.n_out;
}
