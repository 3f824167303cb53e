/* video/font.h - text as coverage: a stroke font drawn at any size, antialiased, glyphs cached. */
#ifndef VIDEO_FONT_H
#define VIDEO_FONT_H

#include <roto/error.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FONT_N_GLYPHS = 95, /* ASCII 32..126 */
    FONT_CAP_UNITS = 70,
    FONT_ASCENT_UNITS = 78,
    FONT_DESCENT_UNITS = 20,
    FONT_STROKE_UNITS = 10,
    FONT_BEARING_UNITS = 10,
    FONT_SPACE_UNITS = 16 /* the space's width, between bearings */
};

typedef struct font_glyph {
    int width;
    const char *path; /* NULL: nothing is drawn */
} font_glyph;

extern const font_glyph font_glyphs[FONT_N_GLYPHS];

typedef struct font font;

roto_status font_new(float cap_px, font **out); /* height of capitals, 3..512 px */
void font_free(font *f);                        /* NULL is fine */

/* Pixels that the text takes up from left bearing to right bearing. Bytes that are not printable
 * ASCII count as '?', one for each UTF-8 sequence. */
float font_text_width(const font *f, const char *text);

/* Adds the text to a coverage tile [height, width] (0..255), with the left bearing's edge at x and
 * the baseline at y, both in pixels; y is rounded so that horizontal strokes are sharp. What falls
 * outside is left out. Glyphs are drawn on first use into memory that font_new() took. */
void font_draw(font *f, const char *text, float x, float y, uint8_t *tile, int width, int height);

#endif
