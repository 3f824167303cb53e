/* backend/cuda/module/conv_tiny.h - convolutions of so few channels that a thread has all of a
 * pixel's: the first ones of the memory encoder's masks. */
#ifndef BACKEND_CUDA_MODULE_CONV_TINY_H
#define BACKEND_CUDA_MODULE_CONV_TINY_H

#include "backend/cuda/module/site.h"

bool conv_is_tiny(const graph *g, const graph_node *conv2d);
roto_status conv_tiny_add(dev_site *site, const dev_window *window);

#endif
