#include "models/frame_input.h"

#include "base/memory.h"
#include "base/team.h"
#include "models/antialias.h"
#include "models/color.h"

#include <stdlib.h>

enum { TASK_ROWS = 8 };

/* Room for a row. */
typedef struct row_scratch {
    float *column;  /* [image_w * 3] */
    float *rows[3]; /* [width * 3]: a resized row of each plane */
} row_scratch;

struct frame_input {
    int32_t width, height;
    float gain[3], offset[3]; /* byte * gain + offset */
    int32_t image_w, image_h; /* that the axes are for; 0: none yet */
    antialias_axis x, y, chroma_x, chroma_y;
    team *team;
    team_program program; /* tasks of TASK_ROWS rows */
    int n_workers;
    row_scratch *scratch; /* of each worker */
    /* What is being filled. */
    const roto_image *image;
    color_yuv matrix;
    float *out;
};

static void forget_image(frame_input *f)
{
    antialias_axis_free(&f->x);
    antialias_axis_free(&f->y);
    antialias_axis_free(&f->chroma_x);
    antialias_axis_free(&f->chroma_y);
    for (int i = 0; i < f->n_workers; i++) {
        free(f->scratch[i].column);
        f->scratch[i].column = NULL;
    }
    f->image_w = f->image_h = 0;
}

void frame_input_free(frame_input *f)
{
    if (!f)
        return;
    if (f->team)
        team_forget(f->team);
    forget_image(f);
    for (int i = 0; i < f->n_workers; i++) {
        for (int plane = 0; plane < 3; plane++)
            free(f->scratch[i].rows[plane]);
    }
    free(f->scratch);
    free(f->program.steps);
    free(f);
}

static void fill_task(void *user, int step, int task, int worker);

static roto_status make_room(frame_input *f)
{
    const int n = f->team ? team_n_threads(f->team) : 1;
    f->scratch = memory_new_array((size_t)n, sizeof(*f->scratch));
    if (!f->scratch)
        return ROTO_ERROR_MEMORY;
    f->n_workers = n;
    for (int i = 0; i < n; i++) {
        for (int plane = 0; plane < 3; plane++) {
            f->scratch[i].rows[plane] = memory_new_array((size_t)f->width * 3, sizeof(float));
            if (!f->scratch[i].rows[plane])
                return ROTO_ERROR_MEMORY;
        }
    }
    f->program = (team_program){.n_steps = 1, .run = fill_task, .user = f};
    f->program.steps = memory_new_aligned(sizeof(*f->program.steps));
    if (!f->program.steps)
        return ROTO_ERROR_MEMORY;
    return ROTO_OK;
}

void frame_input_scale(const float mean[3], const float std[3], float gain[3], float offset[3])
{
    for (int i = 0; i < 3; i++) {
        gain[i] = (float)(1 / (255.0 * (double)std[i]));
        offset[i] = (float)(-(double)mean[i] / (double)std[i]);
    }
}

roto_status frame_input_new(int32_t width, int32_t height, const float mean[3], const float std[3],
                            team *t, frame_input **out)
{
    *out = NULL;
    frame_input *f = memory_new_array(1, sizeof(*f));
    if (!f)
        return ROTO_ERROR_MEMORY;
    f->width = width;
    f->height = height;
    frame_input_scale(mean, std, f->gain, f->offset);
    f->team = t;
    const roto_status status = make_room(f);
    if (status != ROTO_OK) {
        frame_input_free(f);
        return status;
    }
    *out = f;
    return ROTO_OK;
}

roto_status frame_input_prepare(frame_input *f, int32_t w, int32_t h)
{
    if (f->image_w == w && f->image_h == h)
        return ROTO_OK;
    forget_image(f);
    roto_status status = antialias_axis_init(&f->x, w, f->width);
    if (status == ROTO_OK)
        status = antialias_axis_init(&f->y, h, f->height);
    if (status == ROTO_OK)
        status = antialias_axis_init(&f->chroma_x, (w + 1) / 2, f->width);
    if (status == ROTO_OK)
        status = antialias_axis_init(&f->chroma_y, (h + 1) / 2, f->height);
    for (int i = 0; status == ROTO_OK && i < f->n_workers; i++) {
        f->scratch[i].column = memory_new_array((size_t)w * 3, sizeof(float));
        if (!f->scratch[i].column)
            status = ROTO_ERROR_MEMORY;
    }
    if (status != ROTO_OK) {
        forget_image(f);
        return status;
    }
    f->image_w = w;
    f->image_h = h;
    return ROTO_OK;
}

static float clamp_byte(float value)
{
    value = value < 0 ? 0 : value;
    return value > 255 ? 255 : value;
}

/* chroma_step is a constant where it is called, so that the loop vectorises. */
static inline __attribute__((always_inline)) void
convert_yuv(const frame_input *f, const float *restrict luma, const float *restrict u,
            const float *restrict v, int32_t chroma_step, float *restrict out)
{
    const color_yuv matrix = f->matrix; /* copies that the stores below cannot change */
    const float gain[3] = {f->gain[0], f->gain[1], f->gain[2]};
    const float offset[3] = {f->offset[0], f->offset[1], f->offset[2]};
    for (int32_t i = 0; i < f->width; i++) {
        const float y = (luma[i] + matrix.luma_offset) * matrix.luma;
        const float cu = u[i * chroma_step] - 128, cv = v[i * chroma_step] - 128;
        const float red = clamp_byte(y + matrix.red_v * cv);
        const float green = clamp_byte(y + matrix.green_u * cu + matrix.green_v * cv);
        const float blue = clamp_byte(y + matrix.blue_u * cu);
        out[3 * i] = red * gain[0] + offset[0];
        out[3 * i + 1] = green * gain[1] + offset[1];
        out[3 * i + 2] = blue * gain[2] + offset[2];
    }
}

static void convert_planar(const frame_input *f, const row_scratch *r, float *out)
{
    convert_yuv(f, r->rows[0], r->rows[1], r->rows[2], 1, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void
convert_planar_avx2(const frame_input *f, const row_scratch *r, float *out)
{
    convert_yuv(f, r->rows[0], r->rows[1], r->rows[2], 1, out);
}
#endif

static void write_planar(const frame_input *f, const row_scratch *r, float *out)
{
#if defined(__x86_64__)
    if (f->x.avx2) {
        convert_planar_avx2(f, r, out);
        return;
    }
#endif
    convert_planar(f, r, out);
}

static void write_rgb(const frame_input *f, const row_scratch *r, int32_t channels, float *out)
{
    for (int32_t i = 0; i < f->width; i++) {
        const float *rgb = r->rows[0] + (ptrdiff_t)i * channels;
        for (int32_t c = 0; c < 3; c++)
            *out++ = rgb[channels == 3 ? c : 0] * f->gain[c] + f->offset[c];
    }
}

static void resize_chroma(const frame_input *f, const row_scratch *r, int plane, int32_t channels,
                          int32_t row)
{
    antialias_row(&f->chroma_x, &f->chroma_y, f->image->plane[plane], f->image->stride_bytes[plane],
                  channels, row, r->column, r->rows[plane]);
}

static void fill_row(const frame_input *f, const row_scratch *r, int32_t y)
{
    const roto_image *image = f->image;
    const int32_t channels = image->format == ROTO_PIXEL_RGB8 ? 3 : 1;
    float *out = f->out + (ptrdiff_t)y * f->width * 3;
    antialias_row(&f->x, &f->y, image->plane[0], image->stride_bytes[0], channels, y, r->column,
                  r->rows[0]);
    if (image->format == ROTO_PIXEL_YUV420P) {
        resize_chroma(f, r, 1, 1, y);
        resize_chroma(f, r, 2, 1, y);
        write_planar(f, r, out);
    } else if (image->format == ROTO_PIXEL_NV12) {
        resize_chroma(f, r, 1, 2, y);
        convert_yuv(f, r->rows[0], r->rows[1], r->rows[1] + 1, 2, out);
    } else {
        write_rgb(f, r, channels, out);
    }
}

static void fill_task(void *user, int step, int task, int worker)
{
    (void)step;
    const frame_input *f = user;
    const int32_t first = task * TASK_ROWS, end = first + TASK_ROWS;
    for (int32_t y = first; y < end && y < f->height; y++)
        fill_row(f, &f->scratch[worker], y);
}

roto_status frame_input_fill(frame_input *f, const roto_image *image, float *out)
{
    const roto_status status = frame_input_prepare(f, image->width, image->height);
    if (status != ROTO_OK)
        return status;
    f->image = image;
    f->out = out;
    if (image->format == ROTO_PIXEL_YUV420P || image->format == ROTO_PIXEL_NV12)
        f->matrix = color_yuv_of(image);
    team_run_tasks(f->team, &f->program, (f->height + TASK_ROWS - 1) / TASK_ROWS);
    return ROTO_OK;
}
