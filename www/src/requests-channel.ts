/** The name of the channel on which a worker tells of its requests. */
export const CHANNEL = "doran-requests";
