/* bench_segmenter MODEL [options] - whole frames of a segmenter as a live stream has them, picture
 * in and masks out, one after the other. A JSON object a line.
 *
 *   --device NAME     cuda (default), cuda:N, cpu or reference
 *   --precision P     bf16 (default) or fp32
 *   --objects N       default 1
 *   --size W H        of the frames, default 1024 1024
 *   --frames N        to time, default 100; 20 more come first
 *   --parts           also where a frame's time goes: first what the host spends on each part while
 *                     the device works beside it, then with the device done after each part
 *   --ahead           announces each next frame, as for a file
 *   --trace           also how many calls a frame makes to the device's driver
 *   --check-bits      also tracks the same frames twice more and compares every bit of the masks
 *   --check IOU       also tracks on the CPU in fp32 and compares the masks of the first frames:
 *                     fails where they overlap by less
 */
#include <roto/roto.h>

#include "base/clock.h"
#include "base/error.h"
#include "track/segmenter.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARM_FRAMES = 20, CHECKED_FRAMES = 4, N_DRAWN = 8 };

typedef struct options {
    const char *model, *device;
    roto_precision precision;
    int n_objects, w, h, n_frames;
    double least_iou; /* 0: do not compare */
    bool parts, ahead, check_bits, trace;
} options;

static bool parse(int argc, char **argv, options *o)
{
    *o = (options){.device = "cuda",
                   .precision = ROTO_PRECISION_BF16,
                   .n_objects = 1,
                   .w = 1024,
                   .h = 1024,
                   .n_frames = 100};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const int left = argc - i - 1;
        if (strncmp(name, "--", 2) != 0 && !o->model)
            o->model = name;
        else if (strcmp(name, "--parts") == 0)
            o->parts = true;
        else if (strcmp(name, "--trace") == 0)
            o->trace = true;
        else if (strcmp(name, "--ahead") == 0)
            o->ahead = true;
        else if (strcmp(name, "--check-bits") == 0)
            o->check_bits = true;
        else if (left < 1)
            return false;
        else if (strcmp(name, "--device") == 0)
            o->device = argv[++i];
        else if (strcmp(name, "--precision") == 0)
            o->precision =
                strcmp(argv[++i], "fp32") == 0 ? ROTO_PRECISION_FP32 : ROTO_PRECISION_BF16;
        else if (strcmp(name, "--objects") == 0)
            o->n_objects = atoi(argv[++i]);
        else if (strcmp(name, "--check") == 0)
            o->least_iou = atof(argv[++i]);
        else if (strcmp(name, "--frames") == 0)
            o->n_frames = atoi(argv[++i]);
        else if (strcmp(name, "--size") == 0 && left >= 2) {
            o->w = atoi(argv[++i]);
            o->h = atoi(argv[++i]);
        } else
            return false;
    }
    return o->model && o->n_objects > 0 && o->n_objects <= 1024 && o->n_frames > 0 && o->w >= 64 &&
           o->h >= 64 && o->w <= 8192 && o->h <= 8192;
}

static roto_image image_of(const options *o, uint8_t *rgb)
{
    return (roto_image){.width = o->w,
                        .height = o->h,
                        .format = ROTO_PIXEL_RGB8,
                        .plane = {rgb},
                        .stride_bytes = {3 * (ptrdiff_t)o->w}};
}

/* Blocks that move. */
static roto_image draw(const options *o, uint8_t *rgb, int frame)
{
    for (int y = 0; y < o->h; y++)
        for (int x = 0; x < o->w; x++)
            for (int c = 0; c < 3; c++)
                rgb[(y * o->w + x) * 3 + c] =
                    (uint8_t)(((x + 2 * frame) / 24 * 37 + y / 24 * 91 + c * 53) & 255);
    return image_of(o, rgb);
}

static roto_status open_one(const options *o, const char *device, roto_precision arithmetic,
                            roto_segmenter **out)
{
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.device = device;
    params.compute.precision = arithmetic;
    params.max_objects = o->n_objects;
    roto_status status = roto_segmenter_open(o->model, &params, out);
    for (int i = 0; i < o->n_objects && status == ROTO_OK; i++) {
        const int w = o->w / 4, h = o->h / 4;
        const float x = (float)(i * 97 % (o->w - w)), y = (float)(i * 53 % (o->h - h));
        const roto_box box = {x, y, x + (float)w, y + (float)h};
        roto_prompt prompt = roto_prompt_default();
        prompt.box = &box;
        status = roto_segmenter_prompt(*out, i + 1, 0, &prompt);
    }
    return status;
}

static int by_time(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Frames are drawn beforehand: time spent between them would be the device's to catch up. */
static void draw_all(const options *o, uint8_t *rgb)
{
    for (int i = 0; i < N_DRAWN; i++)
        (void)draw(o, rgb + i * 3 * (ptrdiff_t)o->w * o->h, i);
}

static roto_image drawn(const options *o, uint8_t *rgb, int index)
{
    return image_of(o, rgb + index % N_DRAWN * 3 * (ptrdiff_t)o->w * o->h);
}

/* The frame of that index, after the one behind it has been announced. */
static roto_status show(const options *o, roto_segmenter *s, uint8_t *rgb, int index,
                        roto_image *image)
{
    *image = drawn(o, rgb, index);
    const roto_image next = drawn(o, rgb, index + 1);
    return o->ahead ? roto_segmenter_next(s, &next, index + 1) : ROTO_OK;
}

static roto_status time_frames(const options *o, roto_segmenter *s, uint8_t *rgb, double *ms)
{
    const roto_segment *segments;
    int32_t n;
    for (int i = 0; i < WARM_FRAMES + o->n_frames; i++) {
        roto_image image;
        const int64_t start = clock_now_ns();
        roto_status status = show(o, s, rgb, i, &image);
        if (status == ROTO_OK)
            status = roto_segmenter_frame(s, &image, i, &segments, &n);
        if (status != ROTO_OK)
            return status;
        if (i >= WARM_FRAMES)
            ms[i - WARM_FRAMES] = (double)(clock_now_ns() - start) * 1e-6;
    }
    qsort(ms, (size_t)o->n_frames, sizeof(*ms), by_time);
    return ROTO_OK;
}

/* Masks of the first frames, as relative L2 of all logits and as intersection over union. */
static roto_status compare(const options *o, roto_segmenter *s, roto_segmenter *cpu, uint8_t *rgb,
                           bool *ok)
{
    for (int frame = 0; frame < CHECKED_FRAMES; frame++) {
        const roto_segment *got, *wanted;
        int32_t n_got, n_wanted;
        const roto_image image = draw(o, rgb, frame);
        roto_status status = roto_segmenter_frame(s, &image, frame, &got, &n_got);
        if (status == ROTO_OK)
            status = roto_segmenter_frame(cpu, &image, frame, &wanted, &n_wanted);
        if (status != ROTO_OK)
            return status;
        double error = 0, norm = 1e-30;
        int64_t both = 0, any = 0;
        for (int32_t i = 0; i < n_got && i < n_wanted; i++) {
            const int64_t pixels = (int64_t)got[i].logits_width * got[i].logits_height;
            for (int64_t k = 0; k < pixels; k++) {
                const double a = (double)got[i].logits[k], b = (double)wanted[i].logits[k];
                error += (a - b) * (a - b);
                norm += b * b;
                both += a > 0 && b > 0;
                any += a > 0 || b > 0;
            }
        }
        const double iou = any ? (double)both / (double)any : 1;
        const bool good = iou >= o->least_iou && n_got == n_wanted && isfinite(error);
        printf("{\"frame\": %d, \"objects\": %d, \"relative_error\": %.3g, \"mask_iou\": %.4f, "
               "\"ok\": %s}\n",
               frame, n_got, sqrt(error / norm), iou, good ? "true" : "false");
        *ok = *ok && good;
    }
    return ROTO_OK;
}

static roto_status check(const options *o, uint8_t *rgb, bool *ok)
{
    roto_segmenter *s = NULL, *cpu = NULL;
    roto_status status = open_one(o, o->device, o->precision, &s);
    if (status == ROTO_OK)
        status = open_one(o, "cpu", ROTO_PRECISION_FP32, &cpu);
    if (status == ROTO_OK)
        status = compare(o, s, cpu, rgb, ok);
    roto_segmenter_close(s);
    roto_segmenter_close(cpu);
    return status;
}

/* Means over the timed frames, of the segmenter's parts and of handing its results out. */
static roto_status time_parts(const options *o, roto_segmenter *s, uint8_t *rgb, bool waits)
{
    static const char *const names[SEGMENT_N_PARTS] = {"input", "encode", "recall",  "decode",
                                                       "wait",  "choose", "remember"};
    const int first = WARM_FRAMES + o->n_frames;
    double ms[SEGMENT_N_PARTS] = {0}, results_ms = 0;
    s->waits_for_parts = waits;
    for (int i = first; i < first + o->n_frames; i++) {
        roto_image image;
        const roto_segment *segments;
        int32_t n;
        roto_status status = show(o, s, rgb, i, &image);
        if (status == ROTO_OK)
            status = roto_segmenter_frame(s, &image, i, NULL, NULL);
        for (int part = 0; part < SEGMENT_N_PARTS; part++)
            ms[part] += (double)s->part_ns[part] * 1e-6 / o->n_frames;
        const int64_t start = clock_now_ns();
        if (status == ROTO_OK)
            status = roto_segmenter_results(s, &segments, &n);
        if (status != ROTO_OK)
            return status;
        results_ms += (double)(clock_now_ns() - start) * 1e-6 / o->n_frames;
    }
    s->waits_for_parts = false;
    printf("{\"parts\": \"%s\"", waits ? "device" : "host");
    for (int part = 0; part < SEGMENT_N_PARTS; part++)
        printf(", \"%s_ms\": %.3f", names[part], ms[part]);
    printf(", \"results_ms\": %.3f}\n", results_ms);
    return ROTO_OK;
}

/* Of as many frames as are timed, after those. */
static roto_status count_calls(const options *o, roto_segmenter *s, uint8_t *rgb)
{
    const int first = WARM_FRAMES + 3 * o->n_frames;
    const double n = o->n_frames;
    backend_calls from = {.runs = 0}, to = {.runs = 0};
    if (!s->table->calls)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s has no driver to trace", o->device);
    for (int i = first - 1; i < first + o->n_frames; i++) {
        roto_image image;
        const roto_segment *segments;
        int32_t n_segments;
        ROTO_TRY(show(o, s, rgb, i, &image));
        ROTO_TRY(roto_segmenter_frame(s, &image, i, &segments, &n_segments));
        s->table->calls(i < first ? &from : &to);
    }
    printf("{\"calls\": \"a frame\", \"graphs\": %.2f, \"kernels\": %.2f, \"copies\": %.2f, "
           "\"stream_orders\": %.2f, \"waits\": %.2f, \"allocations\": %.2f}\n",
           (double)(to.runs - from.runs) / n, (double)(to.launches - from.launches) / n,
           (double)(to.copies - from.copies) / n, (double)(to.orders - from.orders) / n,
           (double)(to.waits - from.waits) / n, (double)(to.allocations - from.allocations) / n);
    return ROTO_OK;
}

/* FNV-1a (Fowler, Noll, Vo) over words. */
static uint64_t mix(uint64_t hash, const void *data, size_t n_words)
{
    for (size_t i = 0; i < n_words; i++) {
        uint32_t word;
        memcpy(&word, (const char *)data + i * sizeof(word), sizeof(word));
        hash = (hash ^ word) * 0x100000001b3u;
    }
    return hash;
}

static roto_status hash_masks(const options *o, uint8_t *rgb, uint64_t *hash)
{
    roto_segmenter *s = NULL;
    *hash = 0xcbf29ce484222325u;
    roto_status status = open_one(o, o->device, o->precision, &s);
    for (int i = 0; i < o->n_frames && status == ROTO_OK; i++) {
        roto_image image;
        const roto_segment *segments;
        int32_t n = 0;
        status = show(o, s, rgb, i, &image);
        if (status == ROTO_OK)
            status = roto_segmenter_frame(s, &image, i, &segments, &n);
        for (int32_t k = 0; k < n && status == ROTO_OK; k++) {
            const roto_segment *each = &segments[k];
            *hash =
                mix(*hash, each->logits, (size_t)each->logits_width * (size_t)each->logits_height);
            *hash = mix(*hash, &each->iou, 1);
        }
    }
    roto_segmenter_close(s);
    return status;
}

/* The second time the other way, so that announcing frames has no say. */
static roto_status check_bits(const options *o, uint8_t *rgb, bool *ok)
{
    uint64_t first, second;
    options other = *o;
    other.ahead = !o->ahead;
    draw_all(o, rgb);
    ROTO_TRY(hash_masks(o, rgb, &first));
    ROTO_TRY(hash_masks(&other, rgb, &second));
    printf("{\"frames\": %d, \"objects\": %d, \"hash\": \"%016llx\", \"again\": \"%016llx\", "
           "\"ok\": %s}\n",
           o->n_frames, o->n_objects, (unsigned long long)first, (unsigned long long)second,
           first == second ? "true" : "false");
    *ok = *ok && first == second;
    return ROTO_OK;
}

static roto_status measure(const options *o, uint8_t *rgb, double *ms)
{
    roto_segmenter *s = NULL;
    draw_all(o, rgb);
    const roto_image image = drawn(o, rgb, 0);
    const int64_t start = clock_now_ns();
    roto_status status = open_one(o, o->device, o->precision, &s);
    if (status == ROTO_OK)
        status = roto_segmenter_frame(s, &image, 0, NULL, NULL);
    const double first_s = (double)(clock_now_ns() - start) * 1e-9;
    if (status == ROTO_OK)
        status = time_frames(o, s, rgb, ms);
    roto_segmenter_times times = {.struct_bytes = sizeof(times)};
    if (status == ROTO_OK)
        status = roto_segmenter_latest_times(s, &times);
    if (status == ROTO_OK)
        printf("{\"device\": \"%s\", \"precision\": \"%s\", \"objects\": %d, \"median_ms\": %.3f, "
               "\"p99_ms\": %.3f, \"fps\": %.1f, \"input_ms\": %.3f, \"first_mask_s\": %.2f}\n",
               o->device, o->precision == ROTO_PRECISION_BF16 ? "bf16" : "fp32", o->n_objects,
               ms[o->n_frames / 2], ms[(o->n_frames * 99 - 1) / 100], 1e3 / ms[o->n_frames / 2],
               times.input_s * 1e3, first_s);
    if (status == ROTO_OK && o->parts)
        status = time_parts(o, s, rgb, false);
    if (status == ROTO_OK && o->parts)
        status = time_parts(o, s, rgb, true);
    if (status == ROTO_OK && o->trace)
        status = count_calls(o, s, rgb);
    roto_segmenter_close(s);
    return status;
}

int main(int argc, char **argv)
{
    options o;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: bench_segmenter MODEL [options], see bench/segmenter.c\n");
        return 2;
    }
    uint8_t *rgb = malloc(N_DRAWN * 3 * (size_t)o.w * (size_t)o.h);
    double *ms = malloc((size_t)o.n_frames * sizeof(*ms));
    bool ok = true;
    roto_status status = rgb && ms ? ROTO_OK : ROTO_ERROR_MEMORY;
    if (status == ROTO_OK && o.least_iou > 0)
        status = check(&o, rgb, &ok);
    if (status == ROTO_OK && o.check_bits)
        status = check_bits(&o, rgb, &ok);
    if (status == ROTO_OK)
        status = measure(&o, rgb, ms);
    if (status != ROTO_OK)
        fprintf(stderr, "bench_segmenter: %s\n", roto_error_message());
    free(rgb);
    free(ms);
    return status == ROTO_OK && ok ? 0 : 1;
}
