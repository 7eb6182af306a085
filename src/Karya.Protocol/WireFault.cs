namespace Karya.Protocol;

/// <summary>What is wrong with a body, for the eyes of whoever wrote the peer.</summary>
/// <param name="Slot">The part of the message that is meant, such as <c>schedule.period</c>.</param>
/// <param name="Message">A sentence with the value, and what is allowed.</param>
public sealed record WireFault(ErrorCode Code, string Slot, string Message);
