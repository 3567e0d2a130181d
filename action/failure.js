/** Something that whoever wrote the workflow can mend. The message has no value in it. */
export class Failure extends Error {}
