// The fused attention kernels, part 1 of 6: what the hardware does. See docs/kernels.md.
//
// The run-time compiler has no headers, so conversions and matrix products are PTX instructions here.
// Nothing else in the kernels depends on the two 16-bit types but these functions.
//
// Layouts, fixed by the instructions: a warp's lane is (group g = lane / 4, place p = lane % 4).
//   accumulator 16 x 8: c[0], c[1] row g, columns 2 p and 2 p + 1; c[2], c[3] row g + 8
//   left operand 16 x 16: four registers of two numbers: (g, 2 p), (g + 8, 2 p), (g, 2 p + 8), (g + 8, 2 p + 8)
//   right operand 16 x 8: two registers: rows 2 p and 2 p + 1, then 2 p + 8 and 2 p + 9, of column g

typedef unsigned short elem;  // a number of the model's type, by its bits

// Two float32 rounded to the model's type, the first in the low half.
__device__ __forceinline__ unsigned pack(float low, float high) {
  unsigned both;
#if ELEM == 15
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
#else
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
#endif
  return both;
}

// The opposite, exact.
__device__ __forceinline__ float2 unpack(unsigned both) {
  float2 x;
#if ELEM == 15
  x.x = __uint_as_float(both << 16);
  x.y = __uint_as_float(both & 0xffff0000u);
#else
  asm("{.reg .f16 low, high;\n mov.b32 {low, high}, %2;\n cvt.f32.f16 %0, low;\n cvt.f32.f16 %1, high;}"
      : "=f"(x.x), "=f"(x.y)
      : "r"(both));
#endif
  return x;
}

// 2^x, relative error 2^-22; 0 for x below -126.
__device__ __forceinline__ float exp2_of(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ __forceinline__ unsigned shared_address(const elem *at) {
  unsigned address;
  asm("{.reg .u64 wide;\n cvta.to.shared.u64 wide, %1;\n cvt.u32.u64 %0, wide;}"
      : "=r"(address)
      : "l"(at));
  return address;
}

// Four 8 x 8 matrices from shared memory. Lane i gives the address of row i % 8 of matrix i / 8 and gets the numbers
// (g, 2 p) and (g, 2 p + 1) of each.
__device__ __forceinline__ void load_matrices(unsigned (&x)[4], const elem *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(shared_address(row))
               : "memory");
}

// The same with each matrix transposed: numbers (2 p, g) and (2 p + 1, g).
__device__ __forceinline__ void load_transposed(unsigned (&x)[4], const elem *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(shared_address(row))
               : "memory");
}

// c += a b, the products summed in float32.
__device__ __forceinline__ void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
#if ELEM == 15
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
#else
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
#endif
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Asks for 128 bytes of global memory to be brought nearer, into the second-level cache.
__device__ __forceinline__ void prefetch(const char *from) { asm volatile("prefetch.global.L2 [%0];" : : "l"(from)); }

__device__ __forceinline__ float from_lane(float x, int distance) {
  return __shfl_xor_sync(0xffffffffu, x, distance);
}

__device__ __forceinline__ float from_lane_below(float x, int distance) {
  return __shfl_up_sync(0xffffffffu, x, distance);
}

__device__ __forceinline__ float from_last_lane(float x) { return __shfl_sync(0xffffffffu, x, 31); }
