using Karya.Client.Plans;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>One failed attempt.</summary>
/// <param name="Hook">0 for the occurrence itself, else the place of the hook plus 1.</param>
/// <param name="Attempt">From 1.</param>
/// <param name="Text">At most 4 KiB are kept.</param>
/// <param name="Failure">
/// What kind of failure it was: timeout, refused, dns, tls, http_5xx and so on, as docs/connectors.md lists them.
/// </param>
public sealed record TaskError(
    long Occurrence, int Hook, int Attempt, DateTimeOffset At, string Text, string Failure)
{
    internal static TaskError From(ErrorSnapshot error) =>
        new(error.Occurrence, error.Hook, error.Attempt, Durations.InstantFromMs(error.AtMs), error.Text,
            error.Failure);
}
