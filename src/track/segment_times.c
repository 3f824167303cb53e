/* Where a frame's time goes. */
#include "track/segmenter.h"

#include "base/clock.h"
#include "base/error.h"

#include <string.h>

void segment_times_begin(roto_segmenter *s)
{
    memset(s->part_ns, 0, sizeof(s->part_ns));
    s->part_end_ns = clock_now_ns();
}

void segment_times_end(roto_segmenter *s, segment_part part)
{
    if (s->waits_for_parts)
        (void)s->table->wait(s->backend); /* what failed shows in the frame's own wait */
    const int64_t now = clock_now_ns();
    s->part_ns[part] += now - s->part_end_ns;
    s->part_end_ns = now;
}

roto_status roto_segmenter_latest_times(const roto_segmenter *s, roto_segmenter_times *times)
{
    if (!s || !times || times->struct_bytes != sizeof(*times))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "segmenter times: no segmenter, no place for them, or "
                         "its struct_bytes is not set");
    const double s_per_ns = 1e-9;
    times->input_s = (double)s->part_ns[SEGMENT_INPUT] * s_per_ns;
    times->encode_s = (double)s->part_ns[SEGMENT_ENCODE] * s_per_ns;
    times->recall_s = (double)s->part_ns[SEGMENT_RECALL] * s_per_ns;
    times->decode_s = (double)(s->part_ns[SEGMENT_DECODE] + s->part_ns[SEGMENT_WAIT] +
                               s->part_ns[SEGMENT_CHOOSE]) *
                      s_per_ns;
    times->remember_s = (double)s->part_ns[SEGMENT_REMEMBER] * s_per_ns;
    return ROTO_OK;
}
