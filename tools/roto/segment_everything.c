#include "segment_everything.h"

#include "exit_code.h"
#include "failure.h"
#include "interrupt.h"
#include "json_out.h"
#include "progress.h"

#include <roto/roto.h>

#include <stdlib.h>
#include <string.h>

static const char name[] = "roto segment";

enum { MAX_POINTS = 128, MAX_CROPS = 3, MAX_REGION = 65536 };

static void append(option *options, const option *rows, size_t n)
{
    while (options->name)
        options++;
    memcpy(options, rows, n * sizeof(*rows));
}

void everything_options_append(everything_options *o, option *options)
{
    const roto_everything_params p = roto_everything_params_default();
    o->points = p.points_per_side;
    o->min_iou = (double)p.min_iou;
    o->min_stability = (double)p.min_stability;
    o->min_region = p.min_region_cells;
    const option rows[N_EVERYTHING_OPTIONS] = {
        option_flag("--everything",
                    "find masks of everything, without marks: a grid of\n"
                    "points is asked, what is unsure or found twice dropped",
                    &o->on),
        option_text("--json", "OUT",
                    "of --everything: write masks and scores as JSON the way\n"
                    "SA-1B has them, with COCO's run lengths; - is standard\n"
                    "output",
                    &o->json),
        option_integer("--points", "N", "of --everything: points a side of the grid; default: 32",
                       &o->points, 1, MAX_POINTS),
        option_integer("--crops", "N",
                       "of --everything: look again at parts of the picture, 2 x\n"
                       "2, then 4 x 4, 8 x 8, for small things; default: 0",
                       &o->crops, 0, MAX_CROPS),
        option_real("--min-iou", "X",
                    "of --everything: drop masks whose estimated overlap with\n"
                    "the truth is not above X; default: 0.3 with roto_s,\n"
                    "else 0.8",
                    &o->min_iou, 0, 1),
        option_real("--min-stability", "X",
                    "of --everything: drop masks whose outline is in doubt;\n"
                    "default: 0.3 with roto_s, else 0.95",
                    &o->min_stability, 0, 1),
        option_integer("--min-region", "N",
                       "of --everything: fill holes and drop specks of up to N\n"
                       "cells of the model's grid; default: 16 with roto_s, else\n"
                       "0",
                       &o->min_region, 0, MAX_REGION),
    };
    append(options, rows, N_EVERYTHING_OPTIONS);
}

int everything_options_check(const everything_options *o, const command_line *c)
{
    static const char *const only[] = {"--json",    "--points",        "--crops",
                                       "--min-iou", "--min-stability", "--min-region"};
    for (const option *row = c->options; row->name && !o->on; row++)
        for (size_t i = 0; row->given && i < sizeof(only) / sizeof(only[0]); i++)
            if (strcmp(row->name, only[i]) == 0)
                return command_line_refuse(c, "%s goes with --everything", only[i]);
    return COMMAND_LINE_GO_ON;
}

static void write_rounded_list(json_out *json, const char *key, const double *values, size_t n)
{
    json_begin(json, key, '[');
    for (size_t i = 0; i < n; i++)
        json_rounded(json, NULL, values[i], 3);
    json_end(json, ']');
}

static void write_box(json_out *json, const char *key, const roto_box *b)
{
    const double values[] = {(double)b->x0, (double)b->y0, (double)b->x1 - (double)b->x0,
                             (double)b->y1 - (double)b->y0};
    write_rounded_list(json, key, values, 4);
}

/* The fields of docs/formats.md. */
static void write_mask(json_out *json, const roto_everything *all, int32_t index)
{
    const roto_everything_mask *m = &all->masks[index];
    json_begin(json, NULL, '{');
    json_integer(json, "id", index + 1);
    json_begin(json, "segmentation", '{');
    json_begin(json, "size", '[');
    json_integer(json, NULL, all->height);
    json_integer(json, NULL, all->width);
    json_end(json, ']');
    json_string(json, "counts", m->rle);
    json_end(json, '}');
    json_integer(json, "area", m->area_px);
    write_box(json, "bbox", &m->box);
    json_real(json, "predicted_iou", (double)m->iou);
    json_real(json, "stability_score", (double)m->stability);
    json_begin(json, "point_coords", '[');
    write_rounded_list(json, NULL, (double[]){(double)m->point_x, (double)m->point_y}, 2);
    json_end(json, ']');
    write_box(json, "crop_box", &m->crop);
    json_end(json, '}');
}

static int write_json(const char *path, const char *image_name, const roto_everything *all)
{
    json_out json;
    if (!json_open(&json, path))
        return failure_report_file(name, "create", path);
    json_begin(&json, NULL, '{');
    json_begin(&json, "image", '{');
    json_string(&json, "file_name", image_name);
    json_integer(&json, "width", all->width);
    json_integer(&json, "height", all->height);
    json_end(&json, '}');
    json_begin(&json, "annotations", '[');
    for (int32_t i = 0; i < all->n_masks; i++) {
        fputs(i ? "\n" : "", json.file);
        write_mask(&json, all, i);
    }
    json_end(&json, ']');
    json_end(&json, '}');
    json_line(&json);
    return json_close(&json) ? EXIT_OK : failure_report_file(name, "write", path);
}

/* Colours are those of 255 ids. */
static roto_status write_overlay(const char *path, const roto_image *image,
                                 const roto_everything *all)
{
    const size_t n = (size_t)all->width * (size_t)all->height;
    uint16_t *map = malloc(n * sizeof(*map));
    uint8_t *ids = malloc(n);
    roto_status status = ROTO_ERROR_MEMORY;
    void *storage = NULL;
    if (map && ids)
        status = roto_everything_map(all, map, all->width);
    if (status == ROTO_OK) {
        for (size_t i = 0; i < n; i++)
            ids[i] = (uint8_t)(map[i] ? (map[i] - 1) % UINT8_MAX + 1 : 0);
        const roto_image picture = {.width = all->width,
                                    .height = all->height,
                                    .format = ROTO_PIXEL_GRAY8,
                                    .plane = {ids},
                                    .stride_bytes = {all->width}};
        roto_image drawn;
        status = roto_image_draw_ids(image, &picture, &drawn, &storage);
        if (status == ROTO_OK)
            status = roto_image_write_png(path, &drawn);
    }
    roto_image_free(storage);
    free(map);
    free(ids);
    return status;
}

static void print_masks(const roto_everything *all)
{
    printf("%d mask%s\n", all->n_masks, all->n_masks == 1 ? "" : "s");
    for (int32_t i = 0; i < all->n_masks; i++) {
        const roto_everything_mask *m = &all->masks[i];
        printf("  %3d  %8lld pixels from %.0f,%.0f to %.0f,%.0f, overlap with the truth estimated "
               "at %.2f\n",
               i + 1, (long long)m->area_px, (double)m->box.x0, (double)m->box.y0,
               (double)m->box.x1, (double)m->box.y1, (double)m->iou);
    }
}

static int32_t show_progress(void *user, double share)
{
    progress *p = user;
    if (p->shown) {
        fprintf(stderr, "\r\033[K%.0f %% of the points", 100 * share);
        fflush(stderr);
        p->drawn = true;
    }
    return interrupt_requested();
}

int segment_everything(roto_segmenter *segmenter, const roto_image *image,
                       const everything_options *o, const everything_outputs *outputs)
{
    roto_everything_params params = roto_everything_params_default();
    params.points_per_side = (int32_t)o->points;
    params.crop_layers = (int32_t)o->crops;
    params.min_iou = (float)o->min_iou;
    params.min_stability = (float)o->min_stability;
    params.min_region_cells = (int32_t)o->min_region;
    progress bar = progress_new(outputs->quiet);
    params.progress = show_progress;
    params.user = &bar;
    interrupt_install();
    roto_everything *all = NULL;
    roto_status status = roto_segmenter_everything(segmenter, image, &params, &all);
    progress_clear(&bar);
    if (status == ROTO_CANCELLED)
        return EXIT_SIGNAL + interrupt_signal();
    if (status == ROTO_OK && outputs->ids)
        status = roto_everything_write_png(all, outputs->ids);
    if (status == ROTO_OK && outputs->overlay)
        status = write_overlay(outputs->overlay, image, all);
    int code = failure_report(name, status);
    if (code == EXIT_OK && o->json)
        code = write_json(o->json, outputs->name, all);
    if (code == EXIT_OK && !outputs->quiet && !(o->json && strcmp(o->json, "-") == 0))
        print_masks(all);
    roto_everything_free(all);
    return code;
}
