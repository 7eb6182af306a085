using Karya.Client.Plans;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>One failed attempt.</summary>
/// <param name="Hook">0 for the occurrence itself, else the place of the hook plus 1.</param>
/// <param name="Attempt">From 1.</param>
/// <param name="Text">At most 4 KiB are kept.</param>
public sealed record TaskError(long Occurrence, int Hook, int Attempt, DateTimeOffset At, string Text)
{
    internal static TaskError From(ErrorSnapshot error) =>
        new(error.Occurrence, error.Hook, error.Attempt, Durations.InstantFromMs(error.AtMs), error.Text);
}
