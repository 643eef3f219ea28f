// liblz4's block interface. Imported by Sealing only.
#include <lz4.h>
