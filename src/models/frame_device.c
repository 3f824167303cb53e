#include "models/frame_device.h"

#include "backend/picture.h"
#include "base/error.h"
#include "base/memory.h"
#include "format/image_planes.h"
#include "models/antialias.h"
#include "models/color.h"
#include "models/frame_input.h"

#include <stdlib.h>
#include <string.h>

enum { TASK_ROWS = 32, N_STAGES = 2, PLANE_ALIGN = 16 };

/* Of windows of one size. */
typedef struct window_size {
    int32_t w, h; /* 0: none yet */
    buffer *tables;
    picture_axis x, y, chroma_x, chroma_y;
} window_size;

/* Rows to copy. */
typedef struct plane_rows {
    uint8_t *to;
    const uint8_t *from;
    ptrdiff_t from_stride;
    size_t bytes;
    int32_t n;
} plane_rows;

struct frame_device {
    const backend_table *table;
    backend *backend;
    int32_t width, height;
    float gain[3], offset[3];
    window_size *sizes;
    int32_t n_sizes;
    /* Of the frames taken latest, one after the other, so that one can be on its way while another
     * is still looked at: page-locked memory, and the device's. */
    buffer *stages[N_STAGES], *bytes[N_STAGES];
    int latest;
    size_t n_words;   /* of the latest frame */
    bool is_uploaded; /* or asked for */
    picture_view view;
    team *team;
    team_program program;
    plane_rows rows[PICTURE_MAX_PLANES];
};

static void copy_task(void *user, int step, int task, int worker);

roto_status frame_device_new(const backend_table *table, backend *b, int32_t width, int32_t height,
                             const float mean[3], const float std[3], int32_t n_sizes, team *t,
                             frame_device **out)
{
    *out = NULL;
    frame_device *f = memory_new_array(1, sizeof(*f));
    if (!f)
        return ROTO_ERROR_MEMORY;
    *f = (frame_device){.table = table,
                        .backend = b,
                        .width = width,
                        .height = height,
                        .n_sizes = n_sizes,
                        .team = t};
    frame_input_scale(mean, std, f->gain, f->offset);
    f->sizes = memory_new_array((size_t)n_sizes, sizeof(*f->sizes));
    f->program = (team_program){.n_steps = 1, .run = copy_task, .user = f};
    f->program.steps = memory_new_aligned(sizeof(*f->program.steps));
    if (!f->sizes || !f->program.steps) {
        frame_device_free(f);
        return ROTO_ERROR_MEMORY;
    }
    *out = f;
    return ROTO_OK;
}

static void drop(const frame_device *f, buffer **place)
{
    f->table->buffer_free(*place);
    *place = NULL;
}

void frame_device_free(frame_device *f)
{
    if (!f)
        return;
    if (f->team)
        team_forget(f->team);
    for (int32_t i = 0; f->sizes && i < f->n_sizes; i++)
        drop(f, &f->sizes[i].tables);
    for (int i = 0; i < N_STAGES; i++) {
        drop(f, &f->stages[i]);
        drop(f, &f->bytes[i]);
    }
    free(f->sizes);
    free(f->program.steps);
    free(f);
}

static size_t axis_words(const antialias_axis *a)
{
    return (size_t)a->n_out * ((size_t)a->max_taps + 2);
}

/* Writes an axis's tables from word `at` on. */
static picture_axis write_axis(const antialias_axis *a, float *words, size_t at)
{
    const size_t n = (size_t)a->n_out;
    memcpy(words + at, a->first, n * sizeof(*words));
    memcpy(words + at + n, a->count, n * sizeof(*words));
    memcpy(words + at + 2 * n, a->weights, n * (size_t)a->max_taps * sizeof(*words));
    return (picture_axis){.at = at,
                          .n_in = a->n_in,
                          .n_out = a->n_out,
                          .max_taps = a->max_taps,
                          .lanes = a->avx2 ? 8 : 1};
}

/* Puts tables of four axes on the device. */
static roto_status upload_axes(frame_device *f, const antialias_axis axes[4], window_size *to)
{
    picture_axis *const places[4] = {&to->x, &to->y, &to->chroma_x, &to->chroma_y};
    size_t total = 0, at = 0;
    for (int i = 0; i < 4; i++)
        total += axis_words(&axes[i]);
    buffer *host = NULL;
    drop(f, &to->tables);
    ROTO_TRY(f->table->buffer_new(f->backend, BUFFER_DEVICE, total, &to->tables));
    ROTO_TRY(f->table->buffer_new(f->backend, BUFFER_HOST, total, &host));
    for (int i = 0; i < 4; i++) {
        *places[i] = write_axis(&axes[i], host->data, at);
        at += axis_words(&axes[i]);
    }
    roto_status status = f->table->copy(
        f->backend, QUEUE_MAIN, &(buffer_copy){.to = to->tables, .from = host, .n = total}, 1);
    if (status == ROTO_OK)
        status = f->table->wait(f->backend);
    f->table->buffer_free(host);
    return status;
}

roto_status frame_device_prepare(frame_device *f, int32_t index, int32_t w, int32_t h)
{
    window_size *size = &f->sizes[index];
    if (size->w == w && size->h == h)
        return ROTO_OK;
    size->w = size->h = 0;
    const int32_t n_in[4] = {w, h, (w + 1) / 2, (h + 1) / 2};
    antialias_axis axes[4] = {{.n_in = 0}};
    roto_status status = ROTO_OK;
    for (int i = 0; i < 4 && status == ROTO_OK; i++)
        status = antialias_axis_init(&axes[i], n_in[i], i % 2 == 0 ? f->width : f->height);
    if (status == ROTO_OK)
        status = upload_axes(f, axes, size);
    for (int i = 0; i < 4; i++)
        antialias_axis_free(&axes[i]);
    if (status == ROTO_OK) {
        size->w = w;
        size->h = h;
    }
    return status;
}

static void copy_task(void *user, int step, int task, int worker)
{
    (void)step;
    (void)worker;
    const frame_device *f = user;
    int32_t first = task * TASK_ROWS, end = first + TASK_ROWS;
    for (int i = 0; i < PICTURE_MAX_PLANES; i++) {
        const plane_rows *p = &f->rows[i];
        for (int32_t y = first < 0 ? 0 : first; y < end && y < p->n; y++)
            memcpy(p->to + (size_t)y * p->bytes, p->from + y * p->from_stride, p->bytes);
        first -= p->n;
        end -= p->n;
    }
}

static void copy_rows(frame_device *f)
{
    int32_t n = 0;
    for (int i = 0; i < PICTURE_MAX_PLANES; i++)
        n += f->rows[i].n;
    team_run_tasks(f->team, &f->program, (n + TASK_ROWS - 1) / TASK_ROWS);
}

/* The image's planes, and at which bytes they are to be. Returns the bytes of all. */
static size_t list_planes(const roto_image *image, plane_rows rows[PICTURE_MAX_PLANES],
                          size_t at[PICTURE_MAX_PLANES])
{
    image_plane_size sizes[IMAGE_MAX_PLANES];
    image_plane_sizes(image, sizes);
    size_t total = 0;
    for (int i = 0; i < PICTURE_MAX_PLANES; i++) {
        rows[i] = (plane_rows){.from = image->plane[i],
                               .from_stride = image->stride_bytes[i],
                               .bytes = sizes[i].row_bytes,
                               .n = sizes[i].rows};
        at[i] = total;
        total += (sizes[i].row_bytes * (size_t)sizes[i].rows + PLANE_ALIGN - 1) / PLANE_ALIGN *
                 PLANE_ALIGN;
    }
    return total;
}

static roto_status reserve(frame_device *f, int stage, size_t words)
{
    if (f->bytes[stage] && f->bytes[stage]->n >= words)
        return ROTO_OK;
    drop(f, &f->bytes[stage]);
    drop(f, &f->stages[stage]);
    ROTO_TRY(f->table->buffer_new(f->backend, BUFFER_HOST, words, &f->stages[stage]));
    return f->table->buffer_new(f->backend, BUFFER_DEVICE, words, &f->bytes[stage]);
}

roto_status frame_device_take(frame_device *f, const roto_image *image, roto_image *held)
{
    size_t at[PICTURE_MAX_PLANES];
    const size_t words = list_planes(image, f->rows, at) / sizeof(float);
    f->view.n_planes = 0;
    f->latest = (f->latest + 1) % N_STAGES;
    ROTO_TRY(reserve(f, f->latest, words));
    f->n_words = words;
    f->is_uploaded = false;
    uint8_t *stage = (uint8_t *)f->stages[f->latest]->data;
    *held = *image;
    for (int i = 0; i < PICTURE_MAX_PLANES; i++) {
        f->rows[i].to = stage + at[i];
        held->plane[i] = f->rows[i].n ? stage + at[i] : NULL;
        held->stride_bytes[i] = (ptrdiff_t)f->rows[i].bytes;
    }
    copy_rows(f);
    return ROTO_OK;
}

static picture_plane plane_of(const frame_device *f, const roto_image *window, int plane,
                              int32_t channels, const picture_axis *x, const picture_axis *y)
{
    const uint8_t *stage = (const uint8_t *)f->stages[f->latest]->data;
    return (picture_plane){.at = (size_t)(window->plane[plane] - stage),
                           .stride_bytes = (size_t)window->stride_bytes[plane],
                           .channels = channels,
                           .x = *x,
                           .y = *y};
}

roto_status frame_device_choose(frame_device *f, int32_t index, const roto_image *window)
{
    ROTO_TRY(frame_device_prepare(f, index, window->width, window->height));
    const window_size *size = &f->sizes[index];
    picture_view *v = &f->view;
    const bool yuv = window->format == ROTO_PIXEL_YUV420P, nv12 = window->format == ROTO_PIXEL_NV12;
    *v = (picture_view){.bytes = f->bytes[f->latest],
                        .tables = size->tables,
                        .is_yuv = yuv || nv12,
                        .width = f->width,
                        .height = f->height};
    for (int i = 0; i < 3; i++) {
        v->gain[i] = f->gain[i];
        v->offset[i] = f->offset[i];
    }
    v->planes[v->n_planes++] =
        plane_of(f, window, 0, window->format == ROTO_PIXEL_RGB8 ? 3 : 1, &size->x, &size->y);
    if (!v->is_yuv)
        return ROTO_OK;
    const color_yuv m = color_yuv_of(window);
    v->luma = m.luma;
    v->luma_offset = m.luma_offset;
    v->red_v = m.red_v;
    v->green_u = m.green_u;
    v->green_v = m.green_v;
    v->blue_u = m.blue_u;
    v->planes[v->n_planes++] =
        plane_of(f, window, 1, nv12 ? 2 : 1, &size->chroma_x, &size->chroma_y);
    if (yuv)
        v->planes[v->n_planes++] = plane_of(f, window, 2, 1, &size->chroma_x, &size->chroma_y);
    return ROTO_OK;
}

roto_status frame_device_enqueue(frame_device *f, backend_queue queue, buffer *out)
{
    if (f->view.n_planes == 0)
        return roto_fail(ROTO_ERROR_INTERNAL, "no window of a frame has been chosen");
    if (!f->is_uploaded) {
        const buffer_copy upload = {
            .to = f->bytes[f->latest], .from = f->stages[f->latest], .n = f->n_words};
        ROTO_TRY(f->table->copy(f->backend, queue, &upload, 1));
        f->is_uploaded = true;
    }
    picture_view view = f->view;
    view.out = out;
    return f->table->show(f->backend, queue, &view, 1);
}
