// What an Skb object has in place of a handle when its reference has ended: below ERROR_LIMIT, so that the core refuses it.

/** @internal */
export const RELEASED = 0;
/** @internal */
export const GIVEN_AWAY = 1;
