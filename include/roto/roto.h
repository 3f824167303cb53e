/* roto/roto.h - everything: detect, track and segment objects in video.
 *
 * Conventions: every call that can fail returns a roto_status, and roto_error_message() then says
 * what was wrong, where, and what would be right. Parameter structs come from their _default()
 * function and carry their own size: one of another size, from another version's header, is refused
 * instead of misread.
 * Handles are opaque, belong to the caller and are used by one thread at a time unless stated. The
 * library never prints, exits or aborts.
 */
#ifndef ROTO_ROTO_H
#define ROTO_ROTO_H

#include <roto/detect.h>
#include <roto/error.h>
#include <roto/eval.h>
#include <roto/everything.h>
#include <roto/follow.h>
#include <roto/image.h>
#include <roto/model.h>
#include <roto/run.h>
#include <roto/segment.h>
#include <roto/system.h>
#include <roto/track.h>
#include <roto/video.h>

#ifdef __cplusplus
extern "C" {
#endif

ROTO_API const char *roto_version(void); /* "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
