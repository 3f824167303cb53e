/* roto/export.h - marks what the shared library exports. */
#ifndef ROTO_EXPORT_H
#define ROTO_EXPORT_H

#if defined(__GNUC__)
#define ROTO_API __attribute__((visibility("default")))
#else
#define ROTO_API
#endif

#endif
