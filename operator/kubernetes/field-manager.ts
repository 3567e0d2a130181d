/** The operator's name as a field manager: what it applied is its own to take away again. */
export const FIELD_MANAGER = 'kms-operator';
