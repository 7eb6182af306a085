using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>What became of one plan of many.</summary>
/// <param name="Index">Its place among the plans that were handed in, from 0.</param>
/// <param name="Id">Of the plan that is there now; null when it was not taken.</param>
/// <param name="Existed">The key or id named a plan that was there already.</param>
/// <param name="Durability">What was given, which may be more than what was asked for.</param>
/// <param name="Error">
/// Null when it was taken. With <see cref="Protocol.ErrorCode.Unknown"/> it may have been: the connection broke, or no
/// answer came.
/// </param>
public sealed record SubmitOutcome(
    long Index, Plan Plan, Guid? Id, bool Existed, Durability Durability, KaryaException? Error)
{
    public bool IsTaken => Error is null;
}
