// The fused attention kernels, part 3 of 6: the linear branch's state, going forward in time. See docs/kernels.md.

struct LinearTile {
  elem k[C * WIDE_F];      // features of keys that stand SHIFT tokens before the tile's queries
  elem v[C * WIDE_D];
  elem state[F * WIDE_D];  // before the tile
  float key_sum[F];
  float gates[C];          // summed from the tile's start
  float until_end[C];      // exp of the gates that a key lives through in its own tile
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

// The state and the sum of keys after the tile.
__device__ __forceinline__ void add_linear_tile(const LinearTile &s, State &state, float &key_sum) {
  float keep = 1.0f;
#if GATED
  keep = exp2_of(s.gates[C - 1]);
#endif
  add_to_state<GATED>(state, keep, s.k, s.v, s.until_end);
  key_sum = key_sum * keep + feature_sum<GATED>(s.k, s.until_end);
}
