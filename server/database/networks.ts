/** Trusted addresses: `10.1.2.3/8` is taken for the network that it lies in, where a plain cast to cidr would fail. */
export const NETWORKS = (parameter: string) =>
  `array(select network(given::inet) from unnest(${parameter}::text[]) as given)`;
