// The fused attention kernels, part 3 of 6: the linear branch's state, going forward in time. See docs/kernels.md.

struct LinearTile {
  elem k[C * WIDE_F];  // features of keys that stand SHIFT tokens before the tile's queries
  elem v[C * WIDE_D];
  elem state[F * WIDE_D];  // before the tile
  float key_sum[F];
  float gates[C];      // summed from the tile's start
  float until_end[C];  // exp of the gates that a key lives through in its own tile
};

// Keys and values of a tile and the state before it; `key_sum` is this thread's feature of the sum of keys. Between
// barriers.
__device__ __forceinline__ void load_linear_tile(
    LinearTile &s, const float *zk, const elem *v, const float *g, int tile, int T, const State &state,
    float key_sum) {
  Projected key;
  read_projected(key, zk, tile * C - SHIFT, T);
#if GATED
  float2 gates = read_gates(g, tile * C, T);
#endif
  load_tile(s.v, v, tile * C - SHIFT, T);
  store_state(s.state, state);
  if (threadIdx.x < F) {
    s.key_sum[threadIdx.x] = key_sum;
  }
  store_features(s.k, key, tile * C - SHIFT, T);
#if GATED
  sum_gates(s.gates, s.until_end, gates);
#endif
}

// num [16, D] of a warp's rows and den of the lane's two, not divided; q: the features of the warp's queries.
__device__ __forceinline__ void linear_rows(
    const LinearTile &s, const elem *q, float (&num)[D / 8][4], float (&den)[2]) {
  clear(num);
  add_rows<D, F, WIDE_F, WIDE_D>(num, q, s.state);
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int row = group() + half * 8;
    den[half] = 0.0f;
#pragma unroll
    for (int f = 0; f < F; f += 8) {
      float2 pair = unpack(*(const unsigned *)(q + row * WIDE_F + f + place() * 2));
      den[half] += pair.x * s.key_sum[f + place() * 2] + pair.y * s.key_sum[f + place() * 2 + 1];
    }
#if GATED
    float lived = exp2_of(s.gates[warp() * 16 + row]);
    den[half] *= lived;
#pragma unroll
    for (int n = 0; n < D / 8; n++) {
      num[n][half * 2] *= lived;
      num[n][half * 2 + 1] *= lived;
    }
#endif
  }
  float weights[C / 8][4];
  clear(weights);
  add_rows_by_rows<C, F, WIDE_F>(weights, q, s.k);
#pragma unroll
  for (int n = 0; n < C / 8; n++) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      int row = warp() * 16 + group() + e / 2 * 8;
      weights[n][e] *= decay(s.gates, row, n * 8 + place() * 2 + e % 2);
      den[e / 2] += weights[n][e];
    }
  }
  add_weighted<D, WIDE_D>(num, weights, s.v);
  den[0] = row_sum(den[0]);
  den[1] = row_sum(den[1]);
}

// The state and the sum of keys after the tile.
__device__ __forceinline__ void add_linear_tile(const LinearTile &s, State &state, float &key_sum) {
  float keep = 1.0f;
#if GATED
  keep = exp2_of(s.gates[C - 1]);
#endif
  add_to_state<GATED>(state, keep, s.k, s.v, s.until_end);
  key_sum = key_sum * keep + feature_sum<GATED>(s.k, s.until_end);
}
