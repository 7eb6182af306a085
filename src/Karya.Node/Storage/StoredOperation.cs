namespace Karya.Node.Storage;

/// <summary>
/// What was asked for and goes on for a while, as the tables have it. Written by whoever carries it out, under a
/// version: of two that write, one finds that the other has.
/// </summary>
/// <param name="IsRunning">It has not ended. Ended ones are removed with the history of their time.</param>
/// <param name="IsStopAsked">Somebody wants it to end early.</param>
/// <param name="Version">0: it is to be stored for the first time; else that of the row it was read from.</param>
/// <param name="UpdatedMs">When it was written last: milliseconds since 1970 UTC, store time.</param>
/// <param name="Body">What it is and how far it is; the store does not read it.</param>
public sealed record StoredOperation(
    Guid Id, bool IsRunning, bool IsStopAsked, long Version, long UpdatedMs, byte[] Body);
