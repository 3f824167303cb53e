/* bench_segmenter_memory MODEL [options] - the memory that a segmenter takes: what each object
 * adds, and whether it grows while frames go by. JSON, a line a fact:
 *   {"object": n, "bytes": what it added to all that is allocated}
 *   {"frame": i, "allocated_bytes": ..., "resident_bytes": ...}
 *
 *   --frames N      default 60
 *   --objects N     added one after the other on frame 0, default 2
 *   --size W H      of the frames, default 640 480
 *   --precision P   fp32 (default) or bf16
 *   --threads N     default 2
 *
 * Fails when what is allocated changes after frame 50. Linux with glibc alone. */
#include <roto/roto.h>

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Every ring is full by then. */
enum { WARM_FRAMES = 50 };

typedef struct options {
    const char *model;
    int n_frames, n_objects, w, h, n_threads;
    bool bf16;
} options;

static bool parse(int argc, char **argv, options *o)
{
    *o = (options){.n_frames = 60, .n_objects = 2, .w = 640, .h = 480, .n_threads = 2};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const int left = argc - i - 1;
        if (strncmp(name, "--", 2) != 0 && !o->model) {
            o->model = name;
        } else if (left < 1) {
            return false;
        } else if (strcmp(name, "--frames") == 0) {
            o->n_frames = atoi(argv[++i]);
        } else if (strcmp(name, "--objects") == 0) {
            o->n_objects = atoi(argv[++i]);
        } else if (strcmp(name, "--threads") == 0) {
            o->n_threads = atoi(argv[++i]);
        } else if (strcmp(name, "--precision") == 0) {
            o->bf16 = strcmp(argv[++i], "bf16") == 0;
        } else if (strcmp(name, "--size") == 0 && left >= 2) {
            o->w = atoi(argv[++i]);
            o->h = atoi(argv[++i]);
        } else {
            return false;
        }
    }
    return o->model && o->n_frames > 0 && o->n_objects > 0 && o->w > 0 && o->h > 0;
}

/* In use by the program, in pieces and in maps of their own. */
static size_t allocated_bytes(void)
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static size_t resident_bytes(void)
{
    size_t total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%zu %zu", &total, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void draw(uint8_t *rgb, const options *o, int frame)
{
    for (int y = 0; y < o->h; y++)
        for (int x = 0; x < o->w; x++)
            for (int c = 0; c < 3; c++)
                rgb[(y * o->w + x) * 3 + c] =
                    (uint8_t)(((x + 2 * frame) / 16 * 37 + y / 16 * 91 + c * 53) & 255);
}

static roto_status add_object(roto_segmenter *s, const options *o, int id)
{
    const float w = (float)o->w, h = (float)o->h, x = (float)(id % 4) * 0.22f * w;
    const roto_box box = {x, 0.2f * h, x + 0.3f * w, 0.7f * h};
    roto_prompt prompt = roto_prompt_default();
    prompt.box = &box;
    return roto_segmenter_prompt(s, id, 0, &prompt);
}

static roto_status measure(roto_segmenter *s, const options *o, uint8_t *rgb, bool *grows)
{
    const roto_image image = {.width = o->w,
                              .height = o->h,
                              .format = ROTO_PIXEL_RGB8,
                              .plane = {rgb},
                              .stride_bytes = {3 * o->w}};
    draw(rgb, o, 0);
    roto_status status = roto_segmenter_frame(s, &image, 0, NULL, NULL);
    size_t before = 0;
    for (int id = 1; id <= o->n_objects && status == ROTO_OK; id++) {
        status = add_object(s, o, id);
        const size_t now = allocated_bytes();
        if (id > 1) /* the first one has graphs compiled */
            printf("{\"object\": %d, \"bytes\": %zu}\n", id, now - before);
        before = now;
    }
    size_t warm = 0;
    for (int i = 1; i < o->n_frames && status == ROTO_OK; i++) {
        draw(rgb, o, i);
        status = roto_segmenter_frame(s, &image, i, NULL, NULL);
        const size_t now = allocated_bytes();
        printf("{\"frame\": %d, \"allocated_bytes\": %zu, \"resident_bytes\": %zu}\n", i, now,
               resident_bytes());
        fflush(stdout);
        if (i == WARM_FRAMES)
            warm = now;
        *grows = *grows || (i > WARM_FRAMES && now != warm);
    }
    return status;
}

int main(int argc, char **argv)
{
    options o;
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "bench_segmenter_memory MODEL [--frames N] [--objects N] [--size W H] "
                        "[--threads N] [--precision P]\n");
        return 2;
    }
    roto_segmenter_params params = roto_segmenter_params_default();
    params.compute.n_threads = o.n_threads;
    params.compute.precision = o.bf16 ? ROTO_PRECISION_BF16 : ROTO_PRECISION_FP32;
    roto_segmenter *s = NULL;
    uint8_t *rgb = malloc((size_t)o.w * (size_t)o.h * 3);
    bool grows = false;
    roto_status status = rgb ? ROTO_OK : ROTO_ERROR_MEMORY;
    if (status == ROTO_OK)
        status = roto_segmenter_open(o.model, &params, &s);
    if (status == ROTO_OK)
        status = measure(s, &o, rgb, &grows);
    if (status != ROTO_OK)
        fprintf(stderr, "bench_segmenter_memory: %s\n", roto_error_message());
    else if (grows)
        fprintf(stderr, "bench_segmenter_memory: memory grows after frame %d\n", WARM_FRAMES);
    roto_segmenter_close(s);
    free(rgb);
    return status != ROTO_OK || grows;
}
