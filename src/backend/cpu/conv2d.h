/* backend/cpu/conv2d.h - the implementations that conv2d_prepare() chooses from. */
#ifndef BACKEND_CPU_CONV2D_H
#define BACKEND_CPU_CONV2D_H

#include "backend/cpu/kernel.h"

/* As many groups as input and output channels. */
kernel_prepare_fn depthwise_prepare;

#endif
