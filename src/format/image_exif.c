#include "format/image_internal.h"

static unsigned read_u16(const uint8_t *p, bool big_endian)
{
    return big_endian ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static size_t read_u32(const uint8_t *p, bool big_endian)
{
    size_t first = read_u16(p, big_endian), second = read_u16(p + 2, big_endian);
    return big_endian ? first << 16 | second : second << 16 | first;
}

int image_exif_orientation(const uint8_t *tiff, size_t bytes)
{
    /* TIFF 6.0, section 2: byte order, 42, offset of a directory of 12-byte entries. */
    enum { HEADER_BYTES = 8, ENTRY_BYTES = 12, TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };
    if (bytes < HEADER_BYTES || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M'))
        return 1;
    bool big_endian = tiff[0] == 'M';
    size_t directory = read_u32(tiff + 4, big_endian);
    if (read_u16(tiff + 2, big_endian) != 42 || directory > bytes - 2)
        return 1;
    size_t n_entries = read_u16(tiff + directory, big_endian);
    size_t n_present = (bytes - directory - 2) / ENTRY_BYTES;
    for (size_t i = 0; i < n_entries && i < n_present; i++) {
        const uint8_t *entry = tiff + directory + 2 + i * ENTRY_BYTES;
        if (read_u16(entry, big_endian) != TAG_ORIENTATION)
            continue;
        unsigned value = read_u16(entry + 8, big_endian);
        bool one_short =
            read_u16(entry + 2, big_endian) == TYPE_SHORT && read_u32(entry + 4, big_endian) == 1;
        return one_short && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
