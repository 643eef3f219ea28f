// PostgreSQL's page checksum: FNV-1a with an extra shift, in 32 lanes side by side so that vector
// units do the work. Source: src/include/storage/checksum_impl.h, PostgreSQL 9.3 and later.
#include <string.h>

#include "platform.h"

enum { LANES = 32, ROWS = 64, CHECKSUM_OFFSET = 8 };

static const uint32_t offsets[LANES] = {
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
    0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
    0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
    0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
};

static inline __attribute__((always_inline)) void mix(uint32_t *lanes, const uint32_t *row) {
    for (int lane = 0; lane < LANES; lane++) {
        uint32_t mixed = lanes[lane] ^ row[lane];
        lanes[lane] = (mixed * 16777619u) ^ (mixed >> 17);
    }
}

static inline __attribute__((always_inline)) uint16_t checksum(
    const uint8_t *page, uint32_t block) {
    static const uint32_t zeros[LANES];
    uint32_t lanes[LANES], row[LANES], result = block;
    memcpy(lanes, offsets, sizeof lanes);
    for (int index = 0; index < ROWS; index++) {
        memcpy(row, page + index * sizeof row, sizeof row);
        // The field that holds the checksum counts as zero.
        if (index == 0) row[CHECKSUM_OFFSET / 4] &= 0xFFFF0000u;
        mix(lanes, row);
    }
    mix(lanes, zeros);
    mix(lanes, zeros);
    for (int lane = 0; lane < LANES; lane++) result ^= lanes[lane];
    return (uint16_t)(result % 65535 + 1);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint16_t checksum_avx2(const uint8_t *page, uint32_t block) {
    return checksum(page, block);
}

uint16_t pgkeep_page_checksum(const void *page, uint32_t block) {
    return __builtin_cpu_supports("avx2") ? checksum_avx2(page, block) : checksum(page, block);
}
#else
uint16_t pgkeep_page_checksum(const void *page, uint32_t block) { return checksum(page, block); }
#endif
