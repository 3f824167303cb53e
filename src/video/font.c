#include "video/font.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_PHASES = 4,       /* glyphs start at quarters of a pixel, or small text would look uneven */
    CURVE_STEPS = 10,   /* lines that a curve becomes: under a tenth of a pixel off at 4K */
    MAX_SEGMENTS = 128, /* of one glyph */
    WIDEST_UNITS = 68   /* of font_glyphs[] */
};

struct font {
    float px_per_unit;
    int cell_width, cell_height; /* pixels of one cached glyph */
    int cell_left, cell_base;    /* where in it the left bearing and the baseline are */
    bool drawn[FONT_N_GLYPHS][N_PHASES];
    uint8_t *cells; /* [FONT_N_GLYPHS, N_PHASES, cell_height, cell_width] */
};

typedef struct segment {
    float x0, y0, x1, y1;
} segment;

typedef struct outline {
    segment segments[MAX_SEGMENTS];
    int n;
    float x, y; /* the pen */
} outline;

static void line_to(outline *o, float x, float y)
{
    if (o->n < MAX_SEGMENTS)
        o->segments[o->n++] = (segment){o->x, o->y, x, y};
    o->x = x;
    o->y = y;
}

static void curve_to(outline *o, const float p[6])
{
    float x = o->x, y = o->y;
    for (int i = 1; i <= CURVE_STEPS; i++) {
        float t = (float)i / CURVE_STEPS, s = 1 - t;
        float a = s * s * s, b = 3 * s * s * t, c = 3 * s * t * t, d = t * t * t;
        line_to(o, a * x + b * p[0] + c * p[2] + d * p[4], a * y + b * p[1] + c * p[3] + d * p[5]);
    }
}

/* A quarter of an ellipse as a cubic curve: the usual constant 4/3 (sqrt(2) - 1). */
static void quarter_to(outline *o, bool leaves_horizontally, float x, float y)
{
    const float k = 0.5523f;
    float dx = k * (x - o->x), dy = k * (y - o->y);
    if (leaves_horizontally)
        curve_to(o, (float[6]){o->x + dx, o->y, x, y - dy, x, y});
    else
        curve_to(o, (float[6]){o->x, o->y + dy, x - dx, y, x, y});
}

static void trace(const char *path, outline *o)
{
    o->n = 0;
    o->x = o->y = 0;
    while (*path) {
        char command = *path++;
        float p[6] = {0};
        int n = command == 'C' ? 6 : 2;
        for (int i = 0; i < n; i++) {
            char *end;
            p[i] = (float)strtol(path, &end, 10);
            path = end;
        }
        if (command == 'M') {
            o->x = p[0];
            o->y = p[1];
        } else if (command == 'L') {
            line_to(o, p[0], p[1]);
        } else if (command == 'C') {
            curve_to(o, p);
        } else {
            quarter_to(o, command == 'H', p[0], p[1]);
        }
        while (*path == ' ')
            path++;
    }
}

static float distance_squared(const segment *s, float x, float y)
{
    float dx = s->x1 - s->x0, dy = s->y1 - s->y0, px = x - s->x0, py = y - s->y0;
    float length = dx * dx + dy * dy;
    float t = length > 0 ? (px * dx + py * dy) / length : 0;
    t = fminf(fmaxf(t, 0), 1);
    px -= t * dx;
    py -= t * dy;
    return px * px + py * py;
}

static void draw_glyph(const font *f, const char *path, float phase_px, uint8_t *cell)
{
    outline o;
    trace(path, &o);
    float radius_px = 0.5f * FONT_STROKE_UNITS * f->px_per_unit;
    for (int row = 0; row < f->cell_height; row++) {
        for (int column = 0; column < f->cell_width; column++) {
            float x = ((float)(column - f->cell_left) + 0.5f - phase_px) / f->px_per_unit -
                      FONT_BEARING_UNITS;
            float y = ((float)(f->cell_base - row) - 0.5f) / f->px_per_unit;
            float nearest = INFINITY;
            for (int i = 0; i < o.n; i++)
                nearest = fminf(nearest, distance_squared(&o.segments[i], x, y));
            /* The edge of a stroke covers a pixel by how far it has passed the pixel's middle. */
            float coverage = 0.5f + radius_px - sqrtf(nearest) * f->px_per_unit;
            cell[row * f->cell_width + column] =
                (uint8_t)lrintf(255 * fminf(fmaxf(coverage, 0), 1));
        }
    }
}

roto_status font_new(float cap_px, font **out)
{
    *out = NULL;
    if (!(cap_px >= 3 && cap_px <= 512))
        return roto_fail(ROTO_ERROR_ARGUMENT, "font of %g px; it must be 3..512", (double)cap_px);
    font *f = memory_new_array(1, sizeof(*f));
    if (!f)
        return ROTO_ERROR_MEMORY;
    f->px_per_unit = cap_px / FONT_CAP_UNITS;
    const float around = FONT_STROKE_UNITS;
    f->cell_left = (int)ceilf(around * f->px_per_unit);
    f->cell_base = (int)ceilf((FONT_ASCENT_UNITS + around) * f->px_per_unit);
    f->cell_width = f->cell_left + 2 +
                    (int)ceilf((WIDEST_UNITS + 2 * FONT_BEARING_UNITS + around) * f->px_per_unit);
    f->cell_height = f->cell_base + 1 + (int)ceilf((FONT_DESCENT_UNITS + around) * f->px_per_unit);
    f->cells = memory_new_array((size_t)FONT_N_GLYPHS * N_PHASES,
                                (size_t)f->cell_width * (size_t)f->cell_height);
    if (!f->cells) {
        free(f);
        return ROTO_ERROR_MEMORY;
    }
    *out = f;
    return ROTO_OK;
}

void font_free(font *f)
{
    if (!f)
        return;
    free(f->cells);
    free(f);
}

/* The next glyph of the text, or -1 at its end. */
static int next_glyph(const char **text)
{
    unsigned char c = (unsigned char)*(*text);
    if (c == 0)
        return -1;
    ++*text;
    while (((unsigned char)*(*text) & 0xc0) == 0x80) /* the rest of a UTF-8 sequence */
        ++*text;
    return c >= 32 && c < 127 ? c - 32 : '?' - 32;
}

static float advance_px(const font *f, int glyph)
{
    int width = glyph == 0 ? FONT_SPACE_UNITS : font_glyphs[glyph].width;
    return (float)(width + 2 * FONT_BEARING_UNITS) * f->px_per_unit;
}

float font_text_width(const font *f, const char *text)
{
    float width = 0;
    for (int glyph; (glyph = next_glyph(&text)) >= 0;)
        width += advance_px(f, glyph);
    return width;
}

static const uint8_t *cell_of(font *f, int glyph, int phase)
{
    uint8_t *cell = f->cells + ((size_t)glyph * N_PHASES + (size_t)phase) * (size_t)f->cell_width *
                                   (size_t)f->cell_height;
    if (!f->drawn[glyph][phase]) {
        draw_glyph(f, font_glyphs[glyph].path, (float)phase / N_PHASES, cell);
        f->drawn[glyph][phase] = true;
    }
    return cell;
}

void font_draw(font *f, const char *text, float x, float y, uint8_t *tile, int width, int height)
{
    int top = (int)lrintf(y) - f->cell_base;
    for (int glyph; (glyph = next_glyph(&text)) >= 0; x += advance_px(f, glyph)) {
        if (!font_glyphs[glyph].path)
            continue;
        int quarters = (int)floorf(x * N_PHASES + 0.5f);
        int left = (quarters >> 2) - f->cell_left;
        const uint8_t *cell = cell_of(f, glyph, quarters & (N_PHASES - 1));
        for (int row = 0; row < f->cell_height; row++) {
            if (top + row < 0 || top + row >= height)
                continue;
            for (int column = 0; column < f->cell_width; column++) {
                if (left + column < 0 || left + column >= width)
                    continue;
                uint8_t *to = &tile[(top + row) * width + left + column];
                uint8_t from = cell[row * f->cell_width + column];
                *to = *to > from ? *to : from;
            }
        }
    }
}
