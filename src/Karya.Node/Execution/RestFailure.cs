using System.Net;
using System.Net.Sockets;
using Karya.Engine;
using Karya.Node.Execution.Egress;

namespace Karya.Node.Execution;

/// <summary>Says in plain words why a call brought no answer.</summary>
internal static class RestFailure
{
    private const HttpStatusCode TooEarly = (HttpStatusCode)425;

    /// <summary>A status after which another attempt may succeed.</summary>
    public static bool MayPassBy(HttpStatusCode status) => (int)status >= 500 || status is HttpStatusCode.RequestTimeout
        or TooEarly or HttpStatusCode.TooManyRequests;

    /// <summary>A status that speaks of the whole target, not of one request.</summary>
    public static bool IsDown(HttpStatusCode status) => status is HttpStatusCode.TooManyRequests
        or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout;

    /// <summary>The target may not be called from here, and another attempt would find the same.</summary>
    public static EgressDeniedException? DenialIn(Exception exception)
    {
        for (Exception? cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is EgressDeniedException denied)
                return denied;
        }

        return null;
    }

    /// <summary>What kind of failure a status is that means none of success.</summary>
    public static FailureClass ClassOf(HttpStatusCode status) => (int)status switch
    {
        429 => FailureClass.RateLimited,
        >= 500 => FailureClass.Http5xx,
        >= 400 => FailureClass.Http4xx,
        _ => FailureClass.Http3xx,
    };

    /// <summary>What kind of failure it is that brought no answer.</summary>
    public static FailureClass ClassOf(Exception exception)
    {
        if (exception is OperationCanceledException { InnerException: TimeoutException })
            return FailureClass.Timeout;
        var known = (exception as HttpRequestException)?.HttpRequestError switch
        {
            HttpRequestError.NameResolutionError => FailureClass.Dns,
            HttpRequestError.SecureConnectionError => FailureClass.Tls,
            HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded
                or HttpRequestError.HttpProtocolError => FailureClass.InvalidAnswer,
            _ => FailureClass.Connection,
        };
        return known == FailureClass.Connection && SocketIn(exception) is { } socket ? ClassOf(socket) : known;
    }

    public static FailureClass ClassOf(SocketException socket) => socket.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => FailureClass.Refused,
        SocketError.TimedOut => FailureClass.Timeout,
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain => FailureClass.Dns,
        _ => FailureClass.Connection,
    };

    public static string Describe(Exception exception, Uri target)
    {
        string authority = target.Authority;
        if (exception is OperationCanceledException { InnerException: TimeoutException })
            return $"timeout: no connection to {authority}.";
        if (exception is not HttpRequestException failure)
            return exception.Message;

        return failure.HttpRequestError switch
        {
            HttpRequestError.NameResolutionError =>
                $"the name '{target.Host}' could not be resolved: {Innermost(failure)}",
            HttpRequestError.SecureConnectionError => $"TLS with {authority} failed: {Innermost(failure)}",
            HttpRequestError.ConnectionError => DescribeConnection(failure, authority),
            HttpRequestError.ResponseEnded => $"{authority} closed the connection before it had answered.",
            HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded
                or HttpRequestError.HttpProtocolError => $"{authority} sent no valid HTTP answer: {Innermost(failure)}",
            _ => DescribeConnection(failure, authority),
        };
    }

    private static string DescribeConnection(HttpRequestException failure, string authority) =>
        SocketIn(failure) is { } socket
            ? DescribeSocket(socket, authority)
            : $"{authority}: {Innermost(failure)}";

    private static SocketException? SocketIn(Exception exception)
    {
        for (Exception? cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is SocketException socket)
                return socket;
        }

        return null;
    }

    public static string DescribeSocket(SocketException socket, string authority) => socket.SocketErrorCode switch
    {
        SocketError.ConnectionRefused => $"{authority} refused the connection: nothing listens there.",
        SocketError.ConnectionReset => $"{authority} reset the connection before it had answered.",
        SocketError.TimedOut => $"timeout: no connection to {authority}.",
        _ => $"no connection to {authority}: {socket.Message}",
    };

    private static string Innermost(Exception exception) => exception.GetBaseException().Message;
}
