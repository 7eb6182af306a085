using Karya.Node.Http.Api;
using Karya.Node.Plans;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;

namespace Karya.Node.Http;

/// <summary>
/// Where every request comes in: cuts the path into segments, judges <c>Host</c> and <c>Origin</c>, answers OPTIONS,
/// and turns whatever goes wrong further inside into an answer.
/// </summary>
internal sealed class FrontDoor : IHttpApplication<HttpContext>
{
    private readonly OriginPolicy _origins;
    private readonly Router _router;
    private readonly ILogger _log;

    public FrontDoor(OriginPolicy origins, Router router, ILogger log)
    {
        _origins = origins;
        _router = router;
        _log = log;
    }

    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    public void DisposeContext(HttpContext context, Exception? exception)
    {
    }

    public async Task ProcessRequestAsync(HttpContext context)
    {
        // Repeated slashes collapse here, before anything looks at the path: the JavaScript client doubles the first
        // one.
        string[] path = (context.Request.Path.Value ?? "").Split('/', StringSplitOptions.RemoveEmptyEntries);
        bool ours = path is ["api", ..];
        try
        {
            await ServeAsync(context, path, ours);
        }
        catch (DeskException refusal)
        {
            await DeskAnswers.RefuseAsync(context, ours, refusal);
        }
        catch (ApiMistakeException mistake)
        {
            await Answer.ProblemAsync(context, mistake.Problem);
        }
        catch (BadHttpRequestException refusal)
        {
            await Answer.RefuseAsync(context, ours, refusal.StatusCode, "BAD_REQUEST", refusal.Message);
        }
        catch (Exception gone) when (IsClientGone(gone, context))
        {
            // The client has left; nobody is there to be answered.
        }
        catch (Exception fault) when (!context.Response.HasStarted)
        {
            HttpLog.RequestFailed(_log, fault, context.Request.Method, context.Request.Path.Value);
            await Answer.RefuseAsync(context, ours, StatusCodes.Status500InternalServerError, "INTERNAL",
                "The node failed to serve the request. That is a bug in Karya; the node's log has the details.");
        }
    }

    private static bool IsClientGone(Exception exception, HttpContext context) =>
        exception is ConnectionResetException or ConnectionAbortedException
        || (exception is OperationCanceledException or IOException && context.RequestAborted.IsCancellationRequested);

    private Task ServeAsync(HttpContext context, string[] path, bool ours)
    {
        var verdict = _origins.Judge(context.Request, ours);
        var headers = context.Response.Headers;
        if (verdict.Readable)
            headers.AccessControlAllowOrigin = "*";

        if (!verdict.Served)
        {
            string code = verdict.Status == StatusCodes.Status403Forbidden ? "CROSS_SITE" : "HOST_NOT_ALLOWED";
            return Answer.RefuseAsync(context, ours, verdict.Status, code, verdict.Reason);
        }

        if (!HttpMethods.IsOptions(context.Request.Method))
            return _router.RouteAsync(context, path);

        // PATCH is listed whatever was asked for: browsers keep the answer to POST and use it for the PATCH that
        // follows. Without an Origin no page is involved, and the original answers with the same set.
        if (verdict.Readable || context.Request.Headers.Origin.Count == 0)
        {
            headers.AccessControlAllowOrigin = "*";
            headers.AccessControlAllowMethods = "OPTIONS, PATCH";
            headers.AccessControlAllowHeaders = HeaderNames.ContentType;
            headers.AccessControlMaxAge = "3600";
        }

        return Answer.EmptyAsync(context, StatusCodes.Status200OK);
    }
}
