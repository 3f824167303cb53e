/* track/camera.h - how far the picture moved as a whole, seen by the objects in it.
 *
 * Objects that were found again in a frame say how wrong their predictions were; what most of them
 * share is the camera's doing. Objects that were not found yet can then be looked for where the
 * camera put them. This takes no pictures, unlike the camera compensation of BoT-SORT (Aharon et
 * al. 2022).
 */
#ifndef TRACK_CAMERA_H
#define TRACK_CAMERA_H

#include "track/registry.h"

/* The median way from where the objects seen in this frame were predicted to where they were found.
 * `scratch` has room for as many numbers as there are objects. False when too few were seen. */
bool camera_motion(registry *objects, float *scratch, float *dx, float *dy);

#endif
