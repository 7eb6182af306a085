using System.Net;

namespace Karya.Node.Execution;

/// <summary>How long a target asks to be left alone. Pure.</summary>
internal static class RetryAfter
{
    // An hour. A target must not be able to put a task off for years.
    private const int MsMax = 3_600_000;

    /// <returns>Milliseconds; 0 when it does not ask, or its status is none that means a pause.</returns>
    public static int Of(HttpResponseMessage response, DateTimeOffset now)
    {
        if (response.StatusCode is not (HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable))
            return 0;

        var wanted = response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - now,
            _ => TimeSpan.Zero,
        };
        return (int)Math.Clamp(wanted.TotalMilliseconds, 0, MsMax);
    }
}
